"""The SNMP responder of the lab, asked by net-snmp's programs."""

import os
import re
import shutil
import socket
import subprocess
import time

import pytest

import snmp_lab as responder
import snmprec
import stores

FILES = sorted(responder.RECORDINGS.glob("*.snmprec"))
UPTIME = "1.3.6.1.2.1.1.3.0"

pytestmark = pytest.mark.skipif(not shutil.which("snmpget"), reason="apt-get install snmp")


def ask(program, lab, *words, address=None, check=True, whole=False):
    """Runs one of net-snmp's programs; returns its lines."""
    command = [program, "-On", "-Oq", "-Ih", "-t", "4", "-r", "0", *words[:-1]]
    command += [f"{address or lab.address}:{lab.port}", *words[-1]]
    result = subprocess.run(command, capture_output=True, timeout=60,
                            env=dict(os.environ, MIBS="", SNMPCONFPATH="/nonexistent"))
    if check:
        assert result.returncode == 0, result.stderr
    if whole:
        return result.stdout
    return [line for line in result.stdout.split(b"\n") if line.startswith(b".")]


def oids(lines):
    return [line.split(b" ")[0].decode().lstrip(".") for line in lines if b"No more" not in line]


def raw_numbers(lab, *names, address=None):
    """The values as net-snmp's programs print them without their units."""
    lines = ask("snmpget", lab, "-v2c", "-Oe", "-Ot", "-c", "x", list(names), address=address)
    return [int(line.split(b" ")[1]) for line in lines]


class Exchange:
    """A GETNEXT of 1.3.6.1.2.1.1 sent by hand; `payload` and `source` of the answer."""

    def __init__(self, lab, device, timeout=10):
        name = bytes.fromhex("06052b060102010500")
        varbinds = b"\x30" + bytes([len(name)]) + name
        varbinds = b"\x30" + bytes([len(varbinds)]) + varbinds
        pdu = bytes.fromhex("0204010203040201000201 00") + varbinds
        pdu = b"\xa1" + bytes([len(pdu)]) + pdu
        body = bytes.fromhex("02010104017a") + pdu
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.began = time.monotonic()
        self.socket.sendto(b"\x30" + bytes([len(body)]) + body, (device, lab.port))
        self.source = None
        self.payload = self.answer(timeout) if timeout else None

    def answer(self, timeout):
        self.socket.settimeout(timeout)
        try:
            payload, self.source = self.socket.recvfrom(65536)
        except (socket.timeout, BlockingIOError):
            return None
        return payload


def printed(record):
    """The value as snmpbulkwalk -OnqxtUe prints it, as far as that is one way only."""
    if record.tag[0] == "4" and record.tag[1:] in ("", "x", "e"):
        value = snmprec.octets(record.tag, record.value)
        return '""' if not value else " ".join(f"{byte:02X}" for byte in value)
    if record.tag == "6":
        return "." + record.value.decode().lstrip(".")
    if record.tag == "64x":
        return socket.inet_ntoa(bytes.fromhex(record.value.decode()))
    return record.value.decode()


def as_printed(text):
    """Lines of hexadecimal are broken and quoted in several ways."""
    text = text.strip().strip('"').strip()
    return " ".join(text.split()) or '""'


def test_every_recording_is_walked_to_its_end_with_its_values(snmp_lab):
    lab = snmp_lab()
    for path in FILES:
        records = snmprec.read(path)
        out = ask("snmpbulkwalk", lab, "-v2c", "-Cr25", "-Ox", "-Ot", "-OU", "-Oe", "-c",
                  path.stem, [".1"], whole=True)
        found = re.split(rb"(?:^|\n)\.(?=1\.)", out)[1:]
        pairs = [one.decode("latin-1").split(" ", 1) for one in found if b"No more" not in one]
        assert [name for name, _ in pairs] == [record.oid for record in records], path.stem
        for (name, text), record in zip(pairs, records):
            if record.tag != "5":
                assert as_printed(text) == printed(record), (path.stem, name)
    counts = lab.stop()
    assert counts["bad"] == 0 and counts["requests"] == counts["answers"]


def test_version_1_has_no_64_bit_counters(snmp_lab):
    lab = snmp_lab()
    path = responder.RECORDINGS / "teltonika_trb500.snmprec"
    expected = [record.oid for record in snmprec.read(path) if record.tag != "70"]
    assert len(expected) < len(snmprec.read(path))
    assert oids(ask("snmpwalk", lab, "-v1", "-c", path.stem, [".1"])) == expected


def get(lab, *names, address=None, community="synthetic", version="-v2c", check=True):
    lines = ask("snmpget", lab, version, "-c", community, list(names), address=address, check=check)
    return [line.split(b" ", 1)[1].decode() for line in lines]


def bulk(lab, repetitions, *names, check=True, address=None, community="synthetic"):
    return ask("snmpbulkget", lab, "-v2c", f"-Cr{repetitions}", "-Cn0", "-c", community,
               list(names), check=check, address=address)


HC_IN = "1.3.6.1.2.1.31.1.1.1.6"
IN_32 = "1.3.6.1.2.1.2.2.1.10"


def test_counters_advance_by_their_rate(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=3,rate=1000000")
    began = time.monotonic()
    first = raw_numbers(lab, UPTIME, f"{HC_IN}.1", f"{HC_IN}.3")
    time.sleep(0.5)
    second = raw_numbers(lab, UPTIME, f"{HC_IN}.1", f"{HC_IN}.3")
    took = time.monotonic() - began
    ticks, slow, fast = (after - before for before, after in zip(first, second))
    assert 50 <= ticks <= took * 100 + 1
    assert 500_000 <= slow <= took * 1_000_000 + 1
    assert abs(fast - 3 * slow) <= 3


def test_a_32_bit_counter_wraps(snmp_lab, tmp_path):
    file = tmp_path / "wrap.snmprec"
    file.write_text(f"{IN_32}.1|65:numeric|rate=100000000,initial=4294900000\n")
    lab = snmp_lab("--recording", file)
    time.sleep(0.1)
    assert raw_numbers(lab, f"{IN_32}.1")[0] < 4294900000


def test_devices_differ_when_spread(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", "--spread", "24h", listen="127.64.0.0/16")
    values = {tuple(raw_numbers(lab, UPTIME, f"{HC_IN}.1", address=lab.device(i)))
              for i in range(20)}
    assert len(values) == 20


def test_an_answer_comes_from_the_address_that_was_asked(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", listen="127.64.0.0/14")
    for number in (0, 1000, 200000):
        exchange = Exchange(lab, lab.device(number))
        assert exchange.source == (lab.device(number), lab.port)
    lab.fault("all", "wrong-source")
    assert Exchange(lab, lab.device(0)).source[0] != lab.device(0)


def test_ipv6(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", listen="::1")
    lines = ask("snmpget", lab, "-v2c", "-c", "x", [UPTIME], address="udp6:[::1]")
    assert len(lines) == 1


def test_an_unknown_community_is_not_answered(snmp_lab):
    lab = snmp_lab()
    assert not get(lab, UPTIME, community="nobody", check=False)
    assert lab.counts()["unknown"] == 1
    lab = snmp_lab("--synthetic", "interfaces=1", "--community", "secret")
    assert get(lab, UPTIME, community="secret")
    assert not get(lab, UPTIME, community="wrong", check=False)


def test_devices_are_mapped_to_recordings(snmp_lab, tmp_path):
    table = tmp_path / "map"
    table.write_text("127.64.0.0/16 cisco_ir809  # all but one\n127.64.0.7 apc_smt750x\n")
    lab = snmp_lab("--map", table, "--community", "public", listen="127.64.0.0/14")
    name = "1.3.6.1.2.1.1.2.0"
    assert get(lab, name, address="127.64.0.6", community="public")[0].startswith(".1.3.6.1.4.1.9.")
    assert get(lab, name, address="127.64.0.7",
               community="public")[0].startswith(".1.3.6.1.4.1.318.")
    lab.fault("127.64.0.7", "recording", "cisco_asr920")
    assert get(lab, name, address="127.64.0.7", community="public")[0].startswith(".1.3.6.1.4.1.9.")
    assert not get(lab, name, address="127.65.0.1", community="public", check=False)


def test_silence_of_a_share(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", listen="127.64.0.0/16")
    lab.fault("all", "silence", "--share", "30%")
    answers = [Exchange(lab, lab.device(i), timeout=0) for i in range(400)]
    # Counted is sent, and on loopback that is arrived.
    stores.wait_until(lambda: lab.counts()["requests"] == 400, 10, "all requests")
    stores.wait_until(lambda: lab.counts()["answers"] + lab.counts()["silent"] == 400, 10, "answers")
    answered = sum(exchange.answer(0) is not None for exchange in answers)
    assert 240 <= answered <= 320
    counts = lab.counts()
    assert counts["silent"] == 400 - answered
    lab.clear("all")
    assert Exchange(lab, lab.device(1)).payload


def test_a_delay_holds_nobody_else_up(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", listen="127.64.0.0/16")
    lab.fault(lab.device(0), "delay", "2s")
    slow = Exchange(lab, lab.device(0), timeout=0)
    began = time.monotonic()
    assert Exchange(lab, lab.device(1)).payload
    assert time.monotonic() - began < 1.5
    assert slow.answer(20) is not None
    assert 1.9 < time.monotonic() - slow.began < 10


def test_reboot(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1,rate=1000")
    before = raw_numbers(lab, UPTIME, f"{HC_IN}.1")
    lab.fault("all", "reboot")
    after = raw_numbers(lab, UPTIME, f"{HC_IN}.1")
    assert after[0] < 1000 < before[0]
    assert after[1] < 10000 < before[1]


def test_reboot_at_a_time(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", "--fault", "all reboot --after 3s")
    assert raw_numbers(lab, UPTIME)[0] >= 8640000
    stores.wait_until(lambda: raw_numbers(lab, UPTIME)[0] < 1000, 10, "the reboot", 0.3)


def test_too_big_and_short_answers(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=20")
    assert len(bulk(lab, 20, HC_IN)) == 20
    lab.fault("all", "most", "7")
    assert len(bulk(lab, 20, HC_IN)) == 7
    lab.clear("all", "most")
    lab.fault("all", "bytes", "300")
    assert 3 < len(bulk(lab, 20, HC_IN)) < 12
    lab.clear("all")
    lab.fault("all", "toobig", "10")
    assert len(bulk(lab, 10, HC_IN)) == 10
    assert bulk(lab, 11, HC_IN, check=False) == []
    assert lab.counts()["errors"] == 1


def test_a_walk_that_does_not_advance(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=4")
    assert oids(bulk(lab, 3, f"{HC_IN}.2")) == [f"{HC_IN}.3", f"{HC_IN}.4",
                                                "1.3.6.1.2.1.31.1.1.1.7.1"]
    lab.fault("all", "backwards")
    assert oids(bulk(lab, 2, f"{HC_IN}.3")) == [f"{HC_IN}.2", f"{HC_IN}.1"]
    lab.clear("all")
    lab.fault("all", "stuck")
    assert oids(bulk(lab, 2, f"{HC_IN}.3")) == [f"{HC_IN}.3", f"{HC_IN}.3"]
    lab.clear("all")
    lab.fault("all", "reversed")
    assert oids(bulk(lab, 1, HC_IN, IN_32)) == [f"{IN_32}.1", f"{HC_IN}.1"]


def test_gen_err_on_a_column(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=4")
    lab.fault("all", "generr", HC_IN)
    assert get(lab, f"{HC_IN}.1", check=False) == []
    assert bulk(lab, 2, "1.3.6.1.2.1.31.1.1.1.5", check=False) == []
    assert len(get(lab, f"{IN_32}.1")) == 1
    assert lab.counts()["errors"] == 2


def test_damaged_datagrams(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=4")
    whole = Exchange(lab, lab.address).payload
    lab.fault("all", "cut", "20")
    assert Exchange(lab, lab.address).payload[:20] == whole[:20]
    assert len(Exchange(lab, lab.address).payload) == 20
    lab.clear("all")
    lab.fault("all", "wrong-id")
    other = Exchange(lab, lab.address).payload
    assert other.index((0x01020305).to_bytes(4, "big")) == whole.index(
        (0x01020304).to_bytes(4, "big"))
    lab.clear("all")
    lab.fault("all", "duplicate", "2")
    exchange = Exchange(lab, lab.address)
    assert exchange.payload and exchange.answer(10) and exchange.answer(10) and not exchange.answer(0.1)
    lab.clear("all")
    lab.fault("all", "no-bulk")
    assert bulk(lab, 1, HC_IN, check=False) == []
    assert Exchange(lab, lab.address).payload
    assert lab.counts()["silent"] == 1


def test_a_fault_ends_by_itself(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=1", "--fault", "all silence --for 3s")
    assert Exchange(lab, lab.address, timeout=0.1).payload is None
    stores.wait_until(lambda: Exchange(lab, lab.address, 0.2).payload, 10, "an answer")


def test_recordings_change_while_they_are_served(snmp_lab):
    lab = snmp_lab("--synthetic", "interfaces=3")
    name = "1.3.6.1.2.1.31.1.1.1.1"
    lab.tell("set", "synthetic", f"{name}.2|4|renamed", f"{name}.9|4|new")
    assert get(lab, f"{name}.2", f"{name}.9") == ['"renamed"', '"new"']
    assert lab.tell("remove", "synthetic", f"{name}.1", f"{name}.3") == "2 removed\n"
    walked = ask("snmpbulkwalk", lab, "-v2c", "-c", "x", [name])
    assert oids(walked) == [f"{name}.2", f"{name}.9"]
    before = raw_numbers(lab, f"{HC_IN}.1")[0]
    lab.tell("rate", "synthetic", f"{HC_IN}=0")
    halted = raw_numbers(lab, f"{HC_IN}.1")[0]
    assert halted >= before and raw_numbers(lab, f"{HC_IN}.1")[0] == halted


def test_mistakes_are_named(snmp_lab, tmp_path):
    with pytest.raises(RuntimeError, match="interfaces: 1 to"):
        snmp_lab("--synthetic", "interfaces=0")
    with pytest.raises(RuntimeError, match="has bits beyond its length"):
        snmp_lab("--synthetic", "interfaces=1", "--fault", "10.0.0.1/8 silence")
    table = tmp_path / "map"
    table.write_text("\n127.0.0.1 nowhere\n")
    with pytest.raises(RuntimeError, match='map:2: no recording "nowhere"'):
        snmp_lab("--map", table)
    broken = tmp_path / "broken.snmprec"
    broken.write_text("1.3.6.1.2.1.1.5.0|4|ok\n1.3.6.1.2.1.1.6.0|4x|12GG\n")
    lab = snmp_lab("--recording", broken)
    with pytest.raises(RuntimeError, match="unknown verb"):
        lab.tell("nothing")
    lab.process.terminate()
    assert "broken.snmprec:2: " in lab.process.communicate(timeout=20)[1]


HASHES = ["MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"]
CIPHERS = ["DES", "AES", "AES-192", "AES-256"]
AUTH, PRIV = "auth-secret", "priv-secret"


def user_name(digest, cipher=None):
    return f"{digest}-{cipher or 'none'}"


def v3(digest=None, cipher=None, user=None, auth=AUTH, priv=PRIV, context=None):
    """The words of a version 3 request."""
    level = "authPriv" if cipher else "authNoPriv" if digest else "noAuthNoPriv"
    words = ["-v3", "-l", level, "-u", user or user_name(digest, cipher)]
    words += ["-a", digest, "-A", auth] if digest else []
    words += ["-x", cipher, "-X", priv] if cipher else []
    return words + (["-n", context] if context else [])


@pytest.fixture
def v3_lab(snmp_lab):
    users = [f"{user_name(d)}:{d}:{AUTH}" for d in HASHES]
    users += [f"{user_name(d, c)}:{d}:{AUTH}:{c}:{PRIV}" for d in HASHES for c in CIPHERS]
    words = ["--user", "plain"]
    for user in users:
        words += ["--user", user]

    def start(*options, **more):
        return snmp_lab(*words, "--synthetic", "interfaces=3", *options, **more)

    return start


def asked(lab, words, names=(UPTIME,), address=None):
    """Runs snmpget; returns what it printed on both outputs."""
    command = ["snmpget", "-On", "-t", "5", "-r", "1", *words,
               f"{address or lab.address}:{lab.port}", *names]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60,
                            env=dict(os.environ, MIBS="", SNMPCONFPATH="/nonexistent"))
    return result.stdout + result.stderr


def test_every_pair_of_protocols(v3_lab):
    lab = v3_lab()
    for digest in HASHES:
        for cipher in [None, *CIPHERS]:
            said = asked(lab, v3(digest, cipher))
            assert f".{UPTIME} = Timeticks" in said, (digest, cipher, said)
    assert f".{UPTIME} = Timeticks" in asked(lab, v3(user="plain"))
    counts = lab.counts()
    assert counts["bad"] == 0 and counts["wrong_digest"] == 0 and counts["decryption_error"] == 0


def test_a_walk_in_version_3(v3_lab):
    lab = v3_lab("--recordings", responder.RECORDINGS)
    for digest, cipher in (("SHA-512", "AES-256"), ("SHA", "AES"), ("MD5", "DES")):
        for stem in ("cisco_ir809", "huawei_ma5600t_smartax"):
            expected = [r.oid for r in snmprec.read(responder.RECORDINGS / f"{stem}.snmprec")]
            words = v3(digest, cipher, context=stem)
            assert oids(ask("snmpbulkwalk", lab, *words, [".1"])) == expected


def test_what_is_refused_in_version_3(v3_lab):
    lab = v3_lab()
    assert "Unknown user name" in asked(lab, v3("SHA", user="nobody"))
    assert "Authentication failure" in asked(lab, v3("SHA", auth="wrong-secret"))
    assert "Decryption error" in asked(lab, v3("SHA", "AES", priv="wrong-secret"))
    assert "Decryption error" in asked(lab, v3("MD5", "DES", priv="wrong-secret"))
    assert "Unsupported security level" in asked(lab, v3("SHA", "AES", user=user_name("SHA")))
    assert "authorizationError" in asked(lab, v3("SHA", user=user_name("SHA", "AES")))
    assert "Bad context specified" in asked(lab, v3("SHA", "AES", context="elsewhere"))
    counts = lab.counts()
    for name in ("unknown_user", "wrong_digest", "decryption_error", "unsupported_level",
                 "unknown_context", "unknown_engine"):
        assert counts[name] >= 1, name


def element(tag, *inside):
    body = b"".join(inside)
    return bytes([tag, len(body)]) + body


def engine_of(lab, address):
    """Discovery by hand: the engine id of the report."""
    empty, zero = element(4), element(2, b"\0")
    header = element(0x30, element(2, b"\1"), element(2, b"\x40\0"), element(4, b"\4"),
                     element(2, b"\3"))
    security = element(4, element(0x30, empty, zero, zero, empty, empty, empty))
    scoped = element(0x30, empty, empty, element(0xa0, zero, zero, zero, element(0x30)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(2)
        one.sendto(element(0x30, element(2, b"\3"), header, security, scoped), (address, lab.port))
        report = one.recv(65536)
    start = report.index(bytes.fromhex("80007ed9"))
    return report[start:start + report[start - 1]]


def test_every_address_is_an_engine(v3_lab):
    lab = v3_lab(listen="127.64.0.0/14")
    for number in (0, 70000):
        assert engine_of(lab, lab.device(number)) == (
            bytes.fromhex("80007ed901") + socket.inet_aton(lab.device(number)))
    lab.fault("all", "engine", "80007ed90311223344")
    assert f".{UPTIME} = Timeticks" in asked(lab, v3("SHA", "AES"), address=lab.device(5))
    assert engine_of(lab, lab.device(6)) == bytes.fromhex("80007ed90311223344")


def test_the_clock_of_an_engine(v3_lab):
    lab = v3_lab()
    stale = [*v3("SHA"), "-e", "0x80007ed9017f000001", "-Z", "1,500"]
    assert f".{UPTIME} = Timeticks" in asked(lab, stale)  # after a report that corrects it
    assert lab.counts()["not_in_time_window"] == 1
    lab.fault("all", "reboot")
    stale[-1] = "1,1"
    assert f".{UPTIME} = Timeticks" in asked(lab, stale)
    assert lab.counts()["not_in_time_window"] == 2
    lab.fault("all", "clock", "1h")
    stale[-1] = "2,0"
    assert f".{UPTIME} = Timeticks" in asked(lab, stale)
    assert lab.counts()["not_in_time_window"] == 3


def test_users_that_make_no_sense(snmp_lab):
    for user, why in (("a:SHA", "write NAME"), ("a:SHA:short", "8 characters"),
                      ("a:SHA3:long-enough", "use MD5"), ("a:SHA:long-enough:AES512:long-enough",
                                                          "use DES")):
        with pytest.raises(RuntimeError, match=why):
            snmp_lab("--synthetic", "interfaces=1", "--user", user)
