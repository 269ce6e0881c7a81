"""Others that poll SNMP, asked for the same 50 objects of a device with four interfaces. Each
returns CPU and wall microseconds for a device, as fast as it goes."""
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time
import urllib.request

import support

import snmp_devices

IF_ENTRY, IF_X_ENTRY = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
NAME = f"{IF_X_ENTRY}.1"
# octets, packets, errors, discards of both directions, states, speed: with the name twelve
COLUMNS = [f"{IF_X_ENTRY}.{c}" for c in (6, 10, 7, 11)] + \
          [f"{IF_ENTRY}.{c}" for c in (14, 20, 13, 19, 7, 8)] + [f"{IF_X_ENTRY}.15"]
SCALARS = ["1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.10.2.1.3.0"]
DEVICES = 1000


class Missing(Exception):
    """It is not installed."""


def need(*programs):
    for program in programs:
        if not shutil.which(program) and not pathlib.Path(program).exists():
            support.note(f"{program} is not installed")
            raise Missing(program)


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def bulkwalk(responder):
    """A process for each device and table, as in scripts."""
    need("snmpbulkwalk")
    hosts = snmp_devices.addresses(100)
    cpu, began = children_cpu(), time.monotonic()
    for host in hosts:
        for tree in COLUMNS + [NAME]:
            run_walk(responder, host, tree)
        subprocess.run(["snmpget", "-v2c", "-cpublic", "-Oqn", f"{host}:{responder.port}",
                        *SCALARS], env={"MIBS": ""}, stdout=subprocess.DEVNULL, check=True)
    return ((children_cpu() - cpu) * 1e6 / len(hosts),
            (time.monotonic() - began) * 1e6 / len(hosts))


def run_walk(responder, host, tree):
    subprocess.run(["snmpbulkwalk", "-v2c", "-cpublic", "-Cr5", "-Oqn",
                    f"{host}:{responder.port}", tree], env={"MIBS": ""},
                   stdout=subprocess.DEVNULL, check=True)


# -- collectd ---------------------------------------------------------------------------------------


def collectd_config(folder, responder, interval):
    names = [f"v{i}" for i in range(len(COLUMNS))]
    (folder / "types.db").write_text(
        "phusong_if\t" + ", ".join(f"{name}:GAUGE:0:U" for name in names) + "\n"
        "gauge\tvalue:GAUGE:U:U\n")
    hosts = "".join(
        f'  <Host "d{i}">\n    Address "{host}:{responder.port}"\n    Version 2\n'
        f'    Community "public"\n    Collect "if" "s0" "s1"\n    Interval {interval}\n'
        f"    BulkSize 20\n  </Host>\n"
        for i, host in enumerate(snmp_devices.addresses(DEVICES)))
    scalars = "".join(
        f'  <Data "s{i}">\n    Type "gauge"\n    Table false\n    Instance "s{i}"\n'
        f'    Values "{oid}"\n  </Data>\n' for i, oid in enumerate(SCALARS))
    values = " ".join(f'"{oid}"' for oid in COLUMNS)
    (folder / "conf").write_text(
        f'Hostname "bench"\nFQDNLookup false\nBaseDir "{folder}"\nPIDFile "{folder}/pid"\n'
        f'TypesDB "{folder}/types.db"\nInterval {interval}\nReadThreads 5\nLoadPlugin snmp\n'
        f"<Plugin snmp>\n"
        f'  <Data "if">\n    Type "phusong_if"\n    Table true\n    Instance "{NAME}"\n'
        f"    Values {values}\n  </Data>\n{scalars}{hosts}</Plugin>\n")


def run_collectd(responder, interval, settle, seconds):
    """(CPU, requests) of so many seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        collectd_config(folder, responder, interval)
        child = subprocess.Popen(["collectd", "-f", "-C", str(folder / "conf")],
                                 env=dict(os.environ, MIBS=""), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            time.sleep(settle)
            if child.poll() is not None:
                support.note("collectd does not run; its snmp plugin needs libsnmp")
                raise Missing("collectd")
            cpu, sent = support.cpu_seconds(child.pid), responder.counts()["requests"]
            time.sleep(seconds)
            cpu = support.cpu_seconds(child.pid) - cpu
            return cpu, responder.counts()["requests"] - sent
        finally:
            child.kill()
            child.wait(30)


def collectd(responder):
    """CPU at a pace that it keeps; then, asked for more than it can do, how long a device takes."""
    need("collectd")
    interval, rounds, seconds = 10, 2, 10
    cpu, requests = run_collectd(responder, interval, 2 * interval, rounds * interval)
    a_device = requests / rounds / DEVICES
    support.note(f"collectd: {a_device:.1f} requests a device")
    _, requests = run_collectd(responder, 0.1, seconds, seconds)
    return cpu * 1e6 / (rounds * DEVICES), seconds * 1e6 / (requests / a_device)


# -- prometheus-snmp-exporter -----------------------------------------------------------------------


def exporter_config(folder):
    metrics = "".join(
        f"    - name: m{i}\n      oid: {oid}\n      type: gauge\n      help: x\n"
        "      indexes: [{labelname: ifIndex, type: gauge}]\n" for i, oid in enumerate(COLUMNS))
    names = (f"    - name: ifName\n      oid: {NAME}\n      type: DisplayString\n      help: x\n"
             "      indexes: [{labelname: ifIndex, type: gauge}]\n")
    scalars = "".join(f"    - {{name: s{i}, oid: {oid[:-2]}, type: gauge, help: x}}\n"
                      for i, oid in enumerate(SCALARS))
    (folder / "snmp.yml").write_text(
        "bench:\n  walk: [" + ", ".join(COLUMNS + [NAME]) + "]\n  get: [" + ", ".join(SCALARS) +
        f"]\n  metrics:\n{metrics}{names}{scalars}  max_repetitions: 5\n"
        "  auth: {community: public}\n  version: 2\n")


def exporter(responder):
    need("prometheus-snmp-exporter")
    port = support.free_port()
    with tempfile.TemporaryDirectory() as name:
        exporter_config(pathlib.Path(name))
        child = subprocess.Popen(
            ["prometheus-snmp-exporter", f"--config.file={name}/snmp.yml",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            hosts = snmp_devices.addresses(300)
            cpu, began = support.cpu_seconds(child.pid), time.monotonic()
            for host in hosts:
                url = (f"http://127.0.0.1:{port}/snmp?module=bench&target={host}:"
                       f"{responder.port}")
                with urllib.request.urlopen(url, timeout=20) as answer:
                    text = answer.read().decode()
            if text.count("\nm0{") != 4:
                raise SystemExit(f"prometheus-snmp-exporter reads something else:\n{text[:2000]}")
            cpu = support.cpu_seconds(child.pid) - cpu
            wall = time.monotonic() - began
        finally:
            child.kill()
            child.wait(30)
    return cpu * 1e6 / len(hosts), wall * 1e6 / len(hosts)


# -- cacti-spine ------------------------------------------------------------------------------------


def objects():
    yield from SCALARS
    for column in COLUMNS + [NAME]:
        for index in range(1, 5):
            yield f"{column}.{index}"


def fill_sql(responder):
    """Hosts and what to ask them for, as Cacti keeps it."""
    yield "SET SESSION sql_mode='';"
    yield "UPDATE version SET cacti='1.2.24';"
    yield ("REPLACE INTO settings (name, value) VALUES ('poller_interval','60'), "
           "('max_threads','10'), ('concurrent_processes','1'), ('availability_method','0'), "
           "('log_verbosity','1'), ('max_get_size','50'), ('snmp_bulk_walk_size','50');")
    yield "UPDATE poller SET threads=10 WHERE id=1;"
    for i, host in enumerate(snmp_devices.addresses(DEVICES), 1):
        yield ("INSERT INTO host (id, poller_id, site_id, host_template_id, description, hostname, "
               "snmp_community, snmp_version, snmp_port, snmp_timeout, availability_method, "
               "ping_method, max_oids, device_threads, disabled, status) VALUES "
               f"({i},1,1,0,'d{i}','{host}','public',2,{responder.port},1000,0,0,50,1,'',3);")
        rows = ",".join(
            f"({i * 100 + k},1,{i},0,1,NOW(),'{host}','public',2,{responder.port},1000,"
            f"'v{k}','/x.rrd',1,60,0,'.{oid}')" for k, oid in enumerate(objects()))
        yield ("INSERT INTO poller_item (local_data_id, poller_id, host_id, action, present, "
               "last_updated, hostname, snmp_community, snmp_version, snmp_port, snmp_timeout, "
               f"rrd_name, rrd_path, rrd_num, rrd_step, rrd_next_step, arg1) VALUES {rows};")


def start_database(folder):
    shutil.chown(folder, "mysql")
    os.chmod(folder, 0o755)  # spine gives up the right to look everywhere
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data",
                    "--user=mysql"], check=True, **quiet)
    child = subprocess.Popen(
        ["mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/sock",
         "--user=mysql", "--skip-networking", "--max-heap-table-size=512M",
         f"--pid-file={folder}/pid"], **quiet)
    for _ in range(100):
        if pathlib.Path(folder, "sock").exists():
            return child
        time.sleep(0.2)
    child.kill()
    raise SystemExit("mariadbd does not run")


def spine(responder):
    schema = os.environ.get("CACTI_SQL", "/usr/share/doc/cacti/cacti.sql")
    need("spine", "mariadbd", "mariadb-install-db", schema)
    folder = tempfile.mkdtemp(prefix="phusong-bench-")
    conf = tempfile.NamedTemporaryFile("w", suffix=".conf")  # spine does not look into the other
    database = start_database(folder)
    try:
        sql = ["mariadb", "--no-defaults", f"--socket={folder}/sock", "-uroot"]
        subprocess.run(sql + ["-e", "CREATE DATABASE cacti; CREATE USER c@localhost IDENTIFIED BY "
                              "'c'; GRANT ALL ON cacti.* TO c@localhost;"], check=True)
        with open(schema, encoding="utf-8") as file:
            subprocess.run(sql + ["cacti"], stdin=file, check=True)
        subprocess.run(sql + ["cacti"], input="\n".join(fill_sql(responder)), text=True, check=True)
        conf.write(
            f"DB_Host localhost\nDB_Database cacti\nDB_User c\nDB_Pass c\nDB_Port 0\n"
            f"DB_Socket {folder}/sock\n")
        conf.flush()
        best = min(run_spine(folder, conf.name, responder) for _ in range(2))
    finally:
        database.terminate()
        database.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
    return best


def run_spine(folder, conf, responder):
    sent = responder.counts()["varbinds"]
    my_cnf = dict(os.environ, MYSQL_UNIX_PORT=f"{folder}/sock", MIBS="")
    command = ["spine", "-C", conf, "-S", "-V", "2"]
    code, cpu, wall = support.run_cpu(command, env=my_cnf)
    got = responder.counts()["varbinds"] - sent
    support.note(f"spine: code {code}, {got / DEVICES:.0f} objects a device")
    if code or got < 0.9 * DEVICES * 50:
        support.note("spine did not read what it was asked for")
        raise Missing("spine")
    return cpu * 1e6 / DEVICES, wall * 1e6 / DEVICES


ALL = {"collectd": collectd, "spine": spine, "snmp_exporter": exporter, "bulkwalk": bulkwalk}
