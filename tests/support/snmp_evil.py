"""An SNMP agent (versions 1 and 2c) that behaves as told, well or badly.

    agent = Agent(mode="looping", interfaces=10)
    agent.start(); agent.port; agent.stop()

It writes its own BER, so that it can also write wrong BER. Standard library only.
"""

import bisect
import random
import socket
import struct
import threading
import time

GET, GETNEXT, RESPONSE, GETBULK, REPORT = 0xA0, 0xA1, 0xA2, 0xA5, 0xA8
INTEGER, TEXT, NULL, OID = 0x02, 0x04, 0x05, 0x06
COUNTER32, GAUGE, TICKS, COUNTER64 = 0x41, 0x42, 0x43, 0x46
NO_OBJECT, NO_INSTANCE, END = 0x80, 0x81, 0x82

IF_ENTRY = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IF_X_ENTRY = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
ENGINE_TIME = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)


# -- BER ------------------------------------------------------------------------------------------


def length_of(size):
    if size < 0x80:
        return bytes([size])
    body = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def tlv(tag, body):
    return bytes([tag]) + length_of(len(body)) + body


def integer(value, tag=INTEGER):
    size = max(1, (value.bit_length() + 8) // 8)
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def oid(parts):
    body = bytearray([parts[0] * 40 + parts[1]])
    for part in parts[2:]:
        chunk = [part & 0x7F]
        part >>= 7
        while part:
            chunk.append(0x80 | part & 0x7F)
            part >>= 7
        body += bytes(reversed(chunk))
    return tlv(OID, bytes(body))


def encode(tag, value):
    if tag in (NULL, NO_OBJECT, NO_INSTANCE, END):
        return tlv(tag, b"")
    if tag == TEXT:
        return tlv(TEXT, value)
    if tag == OID:
        return oid(value)
    return integer(value, tag)


def read(data, at):
    tag, size = data[at], data[at + 1]
    at += 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    return tag, data[at : at + size], at + size


def read_oid(body):
    parts, value = [body[0] // 40, body[0] % 40], 0
    for byte in body[1:]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            parts.append(value)
            value = 0
    return tuple(parts)


class Request:
    def __init__(self, data):
        _, message, _ = read(data, 0)
        _, version, at = read(message, 0)
        _, self.community, at = read(message, at)
        self.kind, pdu, _ = read(message, at)
        self.version = int.from_bytes(version, "big")
        _, number, at = read(pdu, 0)
        self.id = int.from_bytes(number, "big", signed=True)
        _, first, at = read(pdu, at)
        _, second, at = read(pdu, at)
        self.non_repeaters = int.from_bytes(first, "big")
        self.repetitions = int.from_bytes(second, "big")
        _, binds, _ = read(pdu, at)
        self.names, at = [], 0
        while at < len(binds):
            _, bind, at = read(binds, at)
            _, name, _ = read(bind, 0)
            self.names.append(read_oid(name))


def response(request, binds, status=0, index=0, kind=RESPONSE, request_id=None, version=None):
    body = b"".join(tlv(0x30, oid(name) + encode(tag, value)) for name, tag, value in binds)
    number = request.id if request_id is None else request_id
    pdu = tlv(kind, integer(number) + integer(status) + integer(index) + tlv(0x30, body))
    version = request.version if version is None else version
    return tlv(0x30, integer(version) + tlv(TEXT, request.community) + pdu)


# -- What it knows --------------------------------------------------------------------------------


class Table:
    """IF-MIB of so many interfaces; `octets` per interface and second since the start."""

    def __init__(self, interfaces=4, rate=1000, has_high=True, has_names=True, speed=1000,
                 first_index=1, scalars=True):
        self.interfaces, self.rate, self.speed = interfaces, rate, speed
        self.first_index = first_index
        self.started = time.monotonic()
        self.base = {}
        self.columns = {
            IF_ENTRY + (2,): (TEXT, lambda i: b"port %d" % i),
            IF_ENTRY + (5,): (GAUGE, lambda i: min(speed * 10**6, 2**32 - 1)),
            IF_ENTRY + (7,): (INTEGER, lambda i: 1),
            IF_ENTRY + (8,): (INTEGER, lambda i: 2 if i % 3 == 0 else 1),
            IF_ENTRY + (10,): (COUNTER32, lambda i: self.count(i) % 2**32),
            IF_ENTRY + (11,): (COUNTER32, lambda i: self.count(i) // 100 % 2**32),
            IF_ENTRY + (13,): (COUNTER32, lambda i: 0),
            IF_ENTRY + (14,): (COUNTER32, lambda i: 0),
            IF_ENTRY + (16,): (COUNTER32, lambda i: self.count(i) // 2 % 2**32),
            IF_ENTRY + (17,): (COUNTER32, lambda i: self.count(i) // 200 % 2**32),
            IF_ENTRY + (19,): (COUNTER32, lambda i: 0),
            IF_ENTRY + (20,): (COUNTER32, lambda i: 0),
        }
        if has_names:
            self.columns[IF_X_ENTRY + (1,)] = (TEXT, lambda i: b"ge-0/0/%d" % i)
        if has_high:
            self.columns |= {
                IF_X_ENTRY + (6,): (COUNTER64, self.count),
                IF_X_ENTRY + (7,): (COUNTER64, lambda i: self.count(i) // 100),
                IF_X_ENTRY + (10,): (COUNTER64, lambda i: self.count(i) // 2),
                IF_X_ENTRY + (11,): (COUNTER64, lambda i: self.count(i) // 200),
                IF_X_ENTRY + (15,): (GAUGE, lambda i: speed),
                IF_X_ENTRY + (19,): (TICKS, lambda i: 0),
            }
        self.scalars = {UPTIME: lambda: int((time.monotonic() - self.started) * 100)} if scalars else {}
        self.prefixes = sorted(list(self.columns) + list(self.scalars))

    def count(self, i):
        return self.base.get(i, 5_000_000_000) + int((time.monotonic() - self.started) * self.rate) * i

    def restart(self):
        self.started = time.monotonic()
        self.base = {i: 0 for i in range(1, self.interfaces + 1)}

    def next(self, name):
        """The first object after `name`, as (name, tag, value)."""
        last = self.first_index + self.interfaces - 1
        at = bisect.bisect_right(self.prefixes, name) - 1
        for prefix in self.prefixes[max(at, 0) :]:
            if prefix in self.scalars:
                if name < prefix:
                    return prefix, TICKS, self.scalars[prefix]() % 2**32
                continue
            index = self.first_index
            if name[: len(prefix)] == prefix and len(name) > len(prefix):
                index = max(index, name[len(prefix)] + 1)
            elif name > prefix and name[: len(prefix)] != prefix:
                continue
            if index <= last:
                tag, value = self.columns[prefix]
                return prefix + (index,), tag, value(index - self.first_index + 1)
        return name, END, None


# -- What it does ---------------------------------------------------------------------------------


class Agent(threading.Thread):
    def __init__(self, mode="good", address="127.0.0.1", port=0, community=b"public", **table):
        super().__init__(daemon=True)
        self.mode, self.community = mode, community
        self.table = Table(**table)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((address, port))
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind(("127.0.0.2", self.socket.getsockname()[1]))
        self.port = self.socket.getsockname()[1]
        self.requests = 0
        self.largest = 0
        self.random = random.Random(1)

    def run(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(65536)
            except OSError:
                return
            if data == b"stop":
                return
            self.requests += 1
            try:
                request = Request(data)
            except (IndexError, ValueError):
                continue
            if request.community != self.community:
                continue
            getattr(self, "do_" + self.mode)(request, peer)

    def stop(self):
        self.other.sendto(b"stop", self.socket.getsockname())
        self.join(5)
        self.socket.close()
        self.other.close()

    def send(self, peer, data):
        self.largest = max(self.largest, len(data))
        self.socket.sendto(data, peer)

    def binds(self, request, limit=65000):
        if request.kind == GETNEXT:
            return [self.table.next(name) for name in request.names]
        binds = [self.table.next(name) for name in request.names[: request.non_repeaters]]
        names = list(request.names[request.non_repeaters :])
        for _ in range(request.repetitions):
            found = [self.table.next(name) for name in names]
            binds += found
            names = [name for name, _, _ in found]
        return binds

    def do_good(self, request, peer):
        binds = self.binds(request)
        if request.version == 0:
            for index, (_, tag, _) in enumerate(binds):
                if tag == END:
                    binds = [(name, NULL, None) for name in request.names]
                    self.send(peer, response(request, binds, 2, index + 1))
                    return
        self.send(peer, response(request, binds))

    def do_silent(self, request, peer):
        pass

    def do_slow(self, request, peer):
        time.sleep(0.4)
        self.do_good(request, peer)

    def do_truncated(self, request, peer):
        data = response(request, self.binds(request))
        self.send(peer, data[: len(data) // 2])

    def do_garbage(self, request, peer):
        self.send(peer, self.random.randbytes(self.random.randrange(1, 1500)))

    def do_empty_datagram(self, request, peer):
        self.send(peer, b"")

    def do_lying_lengths(self, request, peer):
        data = bytearray(response(request, self.binds(request)))
        data[1:2] = struct.pack(">BI", 0x84, 0xFFFFFFFF)
        self.send(peer, bytes(data))

    def do_oversized(self, request, peer):
        binds = self.binds(request)
        self.send(peer, response(request, (binds * 400)[:2500]))

    def do_huge_text(self, request, peer):
        binds = [
            (name, TEXT, b"\xff\x1b[2J" * 2000) if tag == TEXT else (name, tag, value)
            for name, tag, value in self.binds(request)
        ]
        self.send(peer, response(request, binds[:14]))

    def do_looping(self, request, peer):
        """Every answer begins the table again."""
        names = [name[:-1] if len(name) > 11 else name for name in request.names]
        names = [n[:10] if n[:9] == IF_ENTRY else n[:11] if n[:10] == IF_X_ENTRY else n for n in request.names]
        request.names = names
        self.send(peer, response(request, self.binds(request)))

    def do_same(self, request, peer):
        binds = [self.table.next(name) for name in request.names]
        scalars = binds[: request.non_repeaters]
        row = [(name[:-1] + (7,), tag, value) for name, tag, value in binds[request.non_repeaters :]]
        self.send(peer, response(request, scalars + row * request.repetitions))

    def do_backwards(self, request, peer):
        binds = self.binds(request)
        fixed = binds[: request.non_repeaters]
        self.send(peer, response(request, fixed + list(reversed(binds[request.non_repeaters :]))))

    def do_wrong_type(self, request, peer):
        binds = []
        for name, tag, value in self.binds(request):
            if tag in (COUNTER64, COUNTER32):
                tag, value = TEXT, b"many"
            binds.append((name, tag, value))
        self.send(peer, response(request, binds))

    def do_wrong_address(self, request, peer):
        self.other.sendto(response(request, self.binds(request)), peer)

    def do_wrong_id(self, request, peer):
        self.send(peer, response(request, self.binds(request), request_id=request.id ^ 1))

    def do_wrong_version(self, request, peer):
        self.send(peer, response(request, self.binds(request), version=1 - request.version))

    def do_request_back(self, request, peer):
        self.send(peer, response(request, self.binds(request), kind=GET))

    def do_report(self, request, peer):
        self.send(peer, response(request, self.binds(request), kind=REPORT))

    def do_too_big(self, request, peer):
        """Answers at most 6 objects."""
        asked = request.non_repeaters
        asked += (len(request.names) - asked) * max(request.repetitions, 1)
        if asked > 6:
            self.send(peer, response(request, [], 1, 0))
        else:
            self.do_good(request, peer)

    def do_always_too_big(self, request, peer):
        self.send(peer, response(request, [], 1, 0))

    def do_general_error(self, request, peer):
        self.send(peer, response(request, [(n, NULL, None) for n in request.names], 5, 3))

    def do_no_access(self, request, peer):
        self.send(peer, response(request, [(n, NULL, None) for n in request.names], 16, 1))

    def do_nothing_there(self, request, peer):
        count = len(self.binds(request))
        self.send(peer, response(request, [(request.names[0], END, None)] * count))

    def do_no_objects(self, request, peer):
        self.send(peer, response(request, [(n, NO_OBJECT, None) for n in request.names]))

    def do_no_binds(self, request, peer):
        self.send(peer, response(request, []))

    def do_short(self, request, peer):
        """Cuts its answers after a few objects, as agents do whose buffer is full."""
        self.send(peer, response(request, self.binds(request)[:7]))

    def do_twice(self, request, peer):
        data = response(request, self.binds(request))
        self.send(peer, data)
        self.send(peer, data)

    def do_stops(self, request, peer):
        if self.requests <= 2:
            self.do_good(request, peer)
