"""Line protocol at the console and at Debian's InfluxDB 1.6: the same lines give the same status, and
what is stored is the same."""

import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest

# M becomes a measurement of its own, T a time a minute ago. From InfluxDB's documentation of the
# protocol, then what people and programs get wrong.
LINES = [
    # the documentation's examples
    "M,location=us-midwest temperature=82 T",
    "M,location=us-midwest,season=summer temperature=82 T",
    "M,location=us-midwest temperature=82,humidity=71 T",
    "M,location=us-midwest temperature=82",
    "M,location=us-midwest temperature=82i T",
    "M,location=us-midwest temperature=\"too warm\" T",
    "M,location=us-midwest too_hot=true T",
    "M,location=us-midwest too_hot=T T",
    "M,location=us-midwest temperature=\"too hot/cold\" T",
    "M,location=us-midwest temperature_str=\"too hot\\\\cold\" T",
    "M,location=us-midwest temperature_str=\"too hot\\\\\\cold\" T",
    "M,location=us-midwest temperature_str=\"too hot\\\\\\\\cold\" T",
    "M,location=us-midwest temperature_str=\"too hot\\\\\\\\\\cold\" T",
    "M\\,x\\ y,location\\ place=us-midwest temperature=82 T",
    "M,location=us\\,midwest temperature=82 T",
    "M,location\\=place=us-midwest temp\\=rature=82 T",
    "M,location=us-midwest temp\\ era\\,ture=82 T",
    "M,location=us-midwest \"temperature\"=82 T",
    "\"M\",location=us-midwest temperature=82 T",
    "M temperature=\"say \\\"hi\\\"\" T",
    "M temperature='too warm' T",
    "M,loc=vùng\\ cao nhiệt=\"Bắc Ninh ấm\",số=1i T",
    "M value=1 T\nM value=2 T",
    # every type and its spellings
    "M a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE T",
    "M a=tRUE T", "M a=tru T", "M a=truee T", "M a=yes T",
    "M a=0,b=-0,c=1.,d=.5,e=-.5,f=1e3,g=1E+3,h=1e-3,i=-1.25e+2 T",
    "M a=0i,b=-0i,c=007i,d=-9223372036854775808i,e=9223372036854775807i T",
    "M a=9223372036854775808i T", "M a=-9223372036854775809i T",
    "M a=1.7976931348623157e308 T", "M a=1e309 T", "M a=5e-324 T", "M a=1e-400 T",
    "M a=0.1,b=123456789.123456789,c=1234567890123456789012345678 T",
    "M a=1.0i T", "M a=1e3i T", "M a=1ii T", "M a=1i2 T", "M a=i T", "M a=-i T", "M a=- T",
    "M a=. T", "M a=-. T", "M a=1.1.1 T", "M a=1e T", "M a=1e5e5 T", "M a=1-2 T", "M a=+1 T",
    "M a=--1 T", "M a=0x10 T", "M a=1_000 T", "M a=1,000 T", "M a=1u T", "M a=NaN T", "M a=nan T",
    "M a=Inf T", "M a=-inf T", "M a=1a T", "M a=1\r T",
    "M a=\"\" T", "M a=\" \" T", "M a=\"x=y,z\" T", "M a=\"x\ny\" T", "M a=\"x\n\ny\",b=1 T\nM c=2 T",
    "M a=\"x T", "M a=\"x\\\" T", "M a=\"x\"y T", "M a=\"x\"\"y\" T", "M a=x\"y\" T", "M a=\"x\"=1 T",
    "M a=\"\\n\\t\\a\\,\\ \" T", "M a=\"#\" T",
    # tags
    "M, a=1 T", "M,a a=1 T", "M,a= a=1 T", "M,=b a=1 T", "M,a=b, a=1 T", "M,a=b,,c=d a=1 T",
    "M,a=b=c a=1 T", "M,a=b,a=c x=1 T", "M,b=1,a=2,b=3 x=1 T", "M,z=1,y=2,x=3 v=1 T",
    "M,a=\"b\" x=1 T", "M,a=\"b c\" x=1 T", "M,a=b\\ c x=1 T", "M,a=b\\\\ x=1 T", "M,a\\ b=1 x=1 T",
    "M,a=b\\=c x=1 T", "M,time=1 x=1 T", "M,a=1\tx=1 T", "M,a=' x=1 T", "M,_measurement=1 x=1 T",
    # fields
    "M", "M ", "M  T", "M,a=b", "M,a=b ", "M a", "M a T", "M a= T", "M a=,b=1 T", "M =1 T",
    "M a=1, T", "M a=1,b T", "M a=1,=2 T", "M a=1,,b=2 T", "M a=1 b=2 T", "M a=1,a=2 T",
    "M time=1 T", "M time=1,a=2 T", "M a\\=b=1 T", "M a\\,b=1 T", "M a\\b=1 T", "M a=1,b\\ c=2 T",
    "M \\=1 T", "M a==1 T", "M a=1=2 T",
    # time
    "M a=1 T ", "M a=1  T", "M a=1 T  x", "M a=1 T 2", "M a=1 Tx", "M a=1 T.5", "M a=1 -", "M a=1 --1",
    "M a=1 now", "M a=1 0x1", "M a=1 9223372036854775808", "M a=1 99999999999999999999",
    "M a=1\tT", "M a=1 \tT",
    # lines
    "", "\n", "   ", "# comment", "  # comment\nM a=1 T", "\n\nM a=1 T\n\n", "M a=1 T\n#x\nM b=2 T",
    " M a=1 T", "\tM a=1 T", "M a=1 T\nbad\nM b=1 T", "bad\nworse", ",", ", a=1 T", ",a=b c=1 T",
    "=a b=1 T", "\\ a=1 T", "M\\ a=1 T", "M\\", "M a=1 T\\",
    "M\0 a=1 T", "\0M a=1 T",
    "M" + "x" * 65600 + " a=1 T",
    "M " + ",".join(f"f{i}={i}i" for i in range(500)) + " T",
    "M," + ",".join(f"t{i:03}=v{i}" for i in range(150)) + " a=1 T",
]

PRECISIONS = [("", 1), ("n", 1), ("u", 10**3), ("ms", 10**6), ("s", 10**9), ("m", 60 * 10**9),
              ("h", 3600 * 10**9)]


def post(url, body):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=20) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())["error"]


def of_influx(influx, database):
    """Everything in a database: a set of (measurement, tags, time, fields)."""
    found = {}
    types = {}
    listing = influx.query("SHOW FIELD KEYS", database)["results"][0]
    for series in listing.get("series", []):
        for name, kind in series["values"]:
            types.setdefault((series["name"], name), set()).add(kind)
    for part in influx.query("SELECT * FROM /.*/ GROUP BY *", database)["results"]:
        for series in part.get("series", []):
            tags = tuple(sorted((key, value) for key, value in series.get("tags", {}).items() if value))
            for values in series["values"]:
                row = dict(zip(series["columns"], values))
                at = row.pop("time")
                for name, value in row.items():
                    if value is None:
                        continue
                    kind = types[(series["name"], name)]
                    if "integer" in kind:
                        value = f"{value}i"
                    elif "string" in kind:
                        value = f"{value}s"
                    elif "float" in kind:
                        value = float(value)
                    found[(series["name"], tags, at, name)] = value
    return found


def of_reader(reader, body, now_ns, unit_ns):
    """The same of what the console's reader makes of the body; where two lines give one field of a
    point different types the first one's holds, as in every store."""
    text = subprocess.run([reader, str(now_ns), str(unit_ns)], input=body, capture_output=True,
                          check=True).stdout
    found, types = {}, {}
    for line in text.decode().splitlines():
        sample = json.loads(line)
        if "wrong" in sample:
            continue
        fields = {name: float(value) if isinstance(value, int) and not isinstance(value, bool)
                  else value for name, value in sample["fields"].items()}
        kinds = {name: type(value) if not isinstance(value, str) else value[-1]
                 for name, value in fields.items()}
        key = sample["measurement"]
        if any(types.setdefault((key, name), kind) != kind for name, kind in kinds.items()):
            continue
        for name, value in fields.items():
            found[(key, tuple(sorted(sample["tags"].items())), sample["time"], name)] = value
    return found


def without_time(points, near):
    """Points without a time of their own get the server's, which is a little later than ours."""
    return {(m, tags, 0 if abs(at - near) < 60 * 10**9 else at, name): value
            for (m, tags, at, name), value in points.items()}


@pytest.fixture(scope="module")
def console(phusong, tmp_path_factory, child_env):
    import console as support
    one = support.Console(phusong, tmp_path_factory.mktemp("console"), env=child_env)
    yield one
    assert one.stop() == 0, one.output()


def test_same_answers_and_points_as_influxdb(influx, console, built):
    reader = built("tests/support/lines_read")
    differences = []
    for number, line in enumerate(LINES):
        now = time.time_ns()
        body = line.replace("M", f"m{number}").replace("T", str(now - 120 * 10**9 - 7))
        if "TRUE" in line or "=T" in line or "True" in line:  # the words of booleans stay
            body = line.replace("M", f"m{number}").replace(" T", f" {now - 120 * 10**9 - 7}")
        database = f"lines{number}"
        influx.create(database)
        theirs, their_words = post(f"{influx.url}/write?db={database}", body.encode())
        ours, our_words = console.write(body, path="/write?db=x")
        stored = without_time(of_influx(influx, database), now)
        read = without_time(of_reader(reader, body.encode(), now, 1), now)
        if (theirs, stored) != (ours, read):
            differences.append(f"{line[:100]!r}: {theirs} {their_words[:100]!r} {stored}\n"
                               f"    here {ours} {our_words[:200]!r} {read}")
    assert not differences, "\n".join(differences)


def test_same_precisions(influx, console, built):
    reader = built("tests/support/lines_read")
    influx.create("precisions")
    for number, (name, unit) in enumerate(PRECISIONS):
        now = time.time_ns()
        at = (now - 3 * 3600 * 10**9) // unit
        query = f"&precision={name}" if name else ""
        body = f"p{number} a=1 {at}".encode()
        theirs, _ = post(f"{influx.url}/write?db=precisions{query}", body)
        ours, words = console.write(body, path=f"/write?db=x{query}")
        assert (theirs, ours) == (204, 204), words
        read = of_reader(reader, body, now, unit)
        stored = {key: value for key, value in of_influx(influx, "precisions").items()
                  if key[0] == f"p{number}"}
        assert read == stored


def test_a_conflict_within_a_body_costs_its_own_line_only(influx, console):
    # Where the field is new, InfluxDB refuses the whole body.
    influx.create("conflict")
    now = time.time_ns()
    assert post(f"{influx.url}/write?db=conflict", f"c a=1 {now}\nc a=2i {now + 1}".encode())[0] == 400
    status, words = console.write(f"c a=1 {now}\nc a=2i {now + 1}")
    assert status == 400 and "line 2: field type conflict" in words and words.endswith("dropped=1")
    # Where it is known, both keep what is right.
    influx.create("known")
    post(f"{influx.url}/write?db=known", f"c a=1 {now}".encode())
    status, words = post(f"{influx.url}/write?db=known", f"c a=3 {now + 2}\nc a=2i {now + 1}".encode())
    assert status == 400 and "dropped=1" in words
    assert len(of_influx(influx, "known")) == 2


def test_where_the_console_is_stricter(influx, console):
    influx.create("stricter")
    # An unknown precision is nanoseconds to InfluxDB, and points of 1970 to whoever sent seconds.
    assert post(f"{influx.url}/write?db=stricter&precision=fortnight", b"a b=1 1")[0] == 204
    status, words = console.write("a b=1 1", path="/write?precision=fortnight")
    assert status == 400 and "invalid precision" in words
    status, words = console.write(f"a b=1 {time.time_ns() + 3600 * 10**9}")
    assert status == 400 and "in the future" in words and "line 1" in words
    status, words = console.write("a b=1 1")
    assert status == 400 and "beyond retention" in words


def test_says_which_lines_were_wrong(console):
    status, words = console.write("good a=1\nbad\ngood a=2\ngood a=x\n", packed=True)
    assert status == 400
    assert words.startswith("partial write: line 2: unable to parse 'bad': missing fields; line 4: ")
    assert words.endswith("dropped=2")
    many = "\n".join(["bad"] * 30)
    status, words = console.write(many)
    assert status == 400 and "line 10" in words and "line 11:" not in words and "and 20 more" in words
