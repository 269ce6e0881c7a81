"""An inventory of any number of SNMP devices at successive addresses: for benchmarks."""
import ipaddress

import make_inventory


def addresses(count, network="127.64.0.0/10"):
    first = int(ipaddress.ip_network(network).network_address) + 257
    return [str(ipaddress.ip_address(first + i)) for i in range(count)]


def write_inventory(folder, hosts, credential="all"):
    """Fifty devices a site, a site a commune."""
    folder.mkdir(parents=True, exist_ok=True)
    sites = (len(hosts) + 49) // 50
    make_inventory.write(folder, "areas.csv",
                         ("code", "valid_from", "level", "parent_code", "id", "name"),
                         make_inventory.areas(sites * 10))
    make_inventory.write(folder, "sites.csv", ("id", "name", "area"),
                         ((f"site-{i}", f"Trạm {i}", f"h-{i * 10:06d}") for i in range(sites)))
    make_inventory.write(folder, "endpoints.csv",
                         ("id", "hamlet", "technology", "operator", "address", "checks"), ())
    make_inventory.write(folder, "devices.csv", ("id", "address", "site", "credential"),
                         ((f"olt-{i:05d}", host, f"site-{i // 50}", credential)
                          for i, host in enumerate(hosts)))
