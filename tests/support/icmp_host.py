#!/usr/bin/env python3
"""A host that answers echo requests as a test wants: icmp_host.py INTERFACE MODE

Sees every request on the interface, whatever its destination, and answers as if it were the
destination. Prints "ready" when it listens.
"""
import socket
import struct
import sys
import time

ROUTER = socket.inet_aton("10.77.0.2")
ELSEWHERE = socket.inet_aton("10.77.9.10")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp(kind, code, rest, payload):
    packet = struct.pack("!BBH", kind, code, 0) + rest + payload
    return packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]


def ip(source, target, payload):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 1, 0, source,
                       target) + payload


def answers(mode, source, target, request, whole):
    """(delay, packet) pairs for a request of `source` to `target`."""
    rest, payload = request[4:8], request[8:]
    reply = icmp(0, 0, rest, payload)
    honest = ip(target, source, reply)
    flipped = bytes([payload[0] ^ 1]) + payload[1:]
    damaged = payload[:-1] + bytes([payload[-1] ^ 1])
    # A guess at a sequence: what the attacker saw some time ago, made up for now.
    guessed = struct.pack("!HH", struct.unpack("!H", rest[:2])[0], 77)
    bad_sum = reply[:2] + bytes([reply[2] ^ 1]) + reply[3:]
    return {
        "honest": [(0, honest)],
        "duplicate": [(0, honest), (0, honest)],
        "late": [(0.3, honest)],
        "cookie": [(0, ip(target, source, icmp(0, 0, rest, flipped)))],
        "sequence": [(0, ip(target, source, icmp(0, 0, guessed, payload)))],
        "sender": [(0, ip(ELSEWHERE, source, reply))],
        "pattern": [(0, ip(target, source, icmp(0, 0, rest, damaged)))],
        "checksum": [(0, ip(target, source, bad_sum))],
        "truncated": [(0, ip(target, source, icmp(0, 0, rest, payload[:20])))],
        "tiny": [(0, ip(target, source, icmp(0, 0, rest, b"")))],
        "unreachable": [(0, ip(ROUTER, source, icmp(3, 1, bytes(4), whole)))],
        "ttl": [(0, ip(ROUTER, source, icmp(11, 0, bytes(4), whole)))],
        "short": [(0, ip(ROUTER, source, icmp(3, 1, bytes(4), whole[:28])))],
        "short_then_honest": [(0, ip(ROUTER, source, icmp(3, 1, bytes(4), whole[:28]))),
                              (0.01, honest)],
        "forged_error": [(0, ip(ROUTER, source, icmp(3, 1, bytes(4),
                                                     whole[:28] + flipped)))],
        "forged_then_honest": [(0, ip(target, source, icmp(0, 0, rest, flipped))),
                               (0.01, honest)],
        "silent": [],
    }[mode]


def main():
    interface, mode = sys.argv[1:]
    seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    seen.bind((interface, 0x0800))
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    print("ready", flush=True)
    while True:
        whole, sender = seen.recvfrom(65536)
        if sender[2] == socket.PACKET_OUTGOING or whole[9] != 1 or whole[20] != 8:
            continue
        whole = whole[:struct.unpack("!H", whole[2:4])[0]]
        for delay, packet in answers(mode, whole[12:16], whole[16:20], whole[20:], whole):
            time.sleep(delay)
            out.sendto(packet, (socket.inet_ntoa(whole[12:16]), 0))


if __name__ == "__main__":
    main()
