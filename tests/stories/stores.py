# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host with real stores: Ceph's object gateway, Azurite and an SFTP server, their certificates from an authority of this run."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import ROOT, Host, Lab, execute

NAME = "store.lab"  # what its certificate says
S3_PORT, AZURE_PORT = 8443, 8445
EXPIRED_PORT, SILENT_PORT = 8447, 8448  # one shows a certificate that is past its day, one drops every packet
BUCKET, KEY = "axiomdb-backups", "LABSTOREKEY"
ACCOUNT, AZURITE = "labaccount", "azurite@3.37.0"
SFTP_USER, SFTP_HOME = "backup-axiomdb", "/srv/sftp"
CONNECT = {"global": {"io-timeout": 5}}  # seconds for which pgBackRest tries to reach a store; the default is a minute

_PACKAGES = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw python3-boto3 openssl iptables nodejs
"""
# Authorities and certificates. The second authority is one that nobody trusts.
_AUTHORITY = """
set -eu
mkdir -p /srv/tls && cd /srv/tls
ssh-keygen -q -t ed25519 -N '' -f /srv/sftp-other-key
for ca in ours foreign; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout $ca.key -out $ca.crt -subj "/CN=$ca" \
    -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj '/CN={name}' 2>/dev/null
openssl x509 -req -in server.csr -CA ours.crt -CAkey ours.key -days 30 -out server.crt \
  -extfile <(printf 'subjectAltName=DNS:{name}\\nauthorityKeyIdentifier=keyid\\n') 2>/dev/null
cat server.crt server.key > server.pem
"""
_UNIT = """
unit() {
  printf '[Service]\\nExecStart=%s\\nLimitNOFILE=65536\\nEnvironment="AZURITE_ACCOUNTS=%s"\\n' "$2" "${3:-}" \\
    > /etc/systemd/system/$1.service
  systemctl daemon-reload && systemctl start $1
}
"""
_ANSWERS = "timeout 90 bash -c 'until (echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.2; done'"
_WRONG = """
set -eu
cd /srv/tls
openssl x509 -req -in server.csr -CA ours.crt -CAkey ours.key -not_before 20200101000000Z -not_after 20200201000000Z -out expired.crt \
  -extfile <(printf 'subjectAltName=DNS:{name}\\nauthorityKeyIdentifier=keyid\\n') 2>/dev/null
systemd-run -q --unit=store-expired openssl s_server -accept {expired} -cert /srv/tls/expired.crt -key /srv/tls/server.key -quiet
iptables -I INPUT -p tcp --dport {silent} -j DROP
"""
# One monitor, one manager, one store in memory, no authentication between them: what is real is the gateway.
_CEPH = """
set -eu
fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
mkdir -p /etc/ceph /var/lib/ceph/mon /var/lib/ceph/mgr/ceph-a /var/lib/ceph/osd/ceph-0
cat > /etc/ceph/ceph.conf <<C
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:3300,v1:127.0.0.1:6789]
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 2147483648
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 1
mon_data_avail_crit = 1
[client.rgw]
rgw_frontends = beast ssl_port={port} ssl_certificate=/srv/tls/server.pem
C
{unit}
monmaptool --create --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' --fsid $fsid /tmp/monmap
ceph-mon --mkfs -i a --monmap /tmp/monmap
unit store-mon '/usr/bin/ceph-mon -f -i a'
timeout 60 bash -c 'until timeout 5 ceph -s >/dev/null 2>&1; do sleep 0.2; done'
ceph osd new $osd 0
ceph-osd -i 0 --mkfs --osd-uuid $osd
unit store-osd '/usr/bin/ceph-osd -f -i 0'
unit store-mgr '/usr/bin/ceph-mgr -f -i a'
timeout 60 bash -c 'until ceph osd stat 2>/dev/null | grep -q "1 up"; do sleep 0.2; done'
unit store-s3 '/usr/bin/radosgw -f -n client.rgw'
{answers}
radosgw-admin -n client.rgw user create --uid=backup --display-name=backup --access-key={key} --secret-key={secret}
"""
_BUCKET = """
import boto3, botocore.config
path = botocore.config.Config(s3={{"addressing_style": "path"}})
keys = {{"aws_access_key_id": "{key}", "aws_secret_access_key": "{secret}", "region_name": "us-east-1"}}
boto3.client("s3", endpoint_url="https://{name}:{port}", verify="/srv/tls/ours.crt", config=path, **keys).create_bucket(Bucket="{bucket}")
"""
_AZURE = """
set -eu
mkdir -p /srv/azure
options='--blobHost 0.0.0.0 --blobPort {port} --location /srv/azure --skipApiVersionCheck --disableProductStyleUrl --silent'
options="$options --cert /srv/tls/server.crt --key /srv/tls/server.key"
unit store-azure "/srv/azurite/node_modules/.bin/azurite-blob $options" '{account}:{key}'
{answers}
"""
# A container is made by a request that is signed with the account's key.
_CONTAINER = """
import base64, email.utils, hashlib, hmac, ssl, urllib.request
account, key, path = "{account}", base64.b64decode("{key}"), "/{account}/{bucket}"
headers = {{"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02"}}
named = "".join(f"{{name}}:{{value}}\\n" for name, value in sorted(headers.items()))
text = "PUT" + "\\n" * 12 + named + f"/{{account}}{{path}}\\nrestype:container"
signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
headers |= {{"Authorization": f"SharedKey {{account}}:{{signature}}", "Content-Length": "0"}}
request = urllib.request.Request(f"https://{name}:{port}{{path}}?restype=container", None, headers, method="PUT")
urllib.request.urlopen(request, context=ssl.create_default_context(cafile="/srv/tls/ours.crt"))
"""
_SFTP = """
set -eu
useradd --home-dir {home} --create-home {user}
install -d -m 700 -o {user} {home}/.ssh
ssh-keygen -q -t ed25519 -N '' -C 'a host of the lab' -f /srv/sftp-key
install -m 600 -o {user} /srv/sftp-key.pub {home}/.ssh/authorized_keys
"""


@dataclass(frozen=True)
class Stores:
    """The host of the stores. Each kind is started when it is first asked for."""

    host: Host
    seed: int
    ready: set[str] = field(default_factory=set, compare=False)

    def secret(self, what: str) -> str:
        """A secret that is the same in each run with the same seed."""
        return hashlib.sha256(f"{self.seed} {what}".encode()).hexdigest()[:40]

    @cached_property
    def authority(self) -> str:
        """The certificate of the authority that signed the stores'."""
        return self.host.read("/srv/tls/ours.crt")

    def go_wrong(self) -> None:
        """Open the ports that nobody can use."""
        if "wrong" not in self.ready:
            self.host.run(_WRONG.format(name=NAME, expired=EXPIRED_PORT, silent=SILENT_PORT))
            self.ready.add("wrong")

    def known_to(self, host: Host) -> None:
        """Let a host find the stores by their name."""
        host.run(
            f"sed '/ {NAME}$/d' /etc/hosts > /tmp/hosts && echo '{self.host.address} {NAME}' >> /tmp/hosts && cp /tmp/hosts /etc/hosts"
        )

    def s3(self, path: str, **changes: Any) -> dict[str, Any]:
        """A repository in Ceph's gateway, as an item of pgbackrest_repositories."""
        if "s3" not in self.ready:
            answers = _ANSWERS.format(port=S3_PORT)
            self.host.run(_CEPH.format(port=S3_PORT, key=KEY, secret=self.secret("s3"), unit=_UNIT, answers=answers))
            self.host.run(["python3", "-"], stdin=_BUCKET.format(name=NAME, port=S3_PORT, bucket=BUCKET, key=KEY, secret=self.secret("s3")))
            self.ready.add("s3")
        options = {"s3-bucket": BUCKET, "s3-endpoint": NAME, "s3-region": "us-east-1", "s3-uri-style": "path", "storage-port": S3_PORT}
        secrets = {"s3-key": KEY, "s3-key-secret": self.secret("s3")}
        return self._item("s3", path, {"options": options, "secrets": secrets, "ca_certificate": self.authority}, changes)

    def azure(self, path: str, **changes: Any) -> dict[str, Any]:
        """A repository in Azurite."""
        key = base64.b64encode(self.secret("azure").encode()).decode()
        if "azure" not in self.ready:
            execute(["docker", "cp", str(azurite()), f"{self.host.name}:/srv/"]).checked()
            script = _AZURE.format(port=AZURE_PORT, account=ACCOUNT, key=key, answers=_ANSWERS.format(port=AZURE_PORT))
            self.host.run(_UNIT + script)
            self.host.run(["python3", "-"], stdin=_CONTAINER.format(account=ACCOUNT, key=key, bucket=BUCKET, name=NAME, port=AZURE_PORT))
            self.ready.add("azure")
        options = {"azure-container": BUCKET, "azure-uri-style": "path", "storage-host": NAME, "storage-port": AZURE_PORT}
        secrets = {"azure-account": ACCOUNT, "azure-key": key}
        return self._item("azure", path, {"options": options, "secrets": secrets, "ca_certificate": self.authority}, changes)

    def sftp(self, path: str, **changes: Any) -> dict[str, Any]:
        """A repository on the SFTP server, which is recognised by lines of known_hosts."""
        if "sftp" not in self.ready:
            self.host.run(_SFTP.format(user=SFTP_USER, home=SFTP_HOME))
            self.ready.add("sftp")
        lines = self.host.run("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
        fields = {
            "options": {"sftp-host": NAME, "sftp-host-user": SFTP_USER},
            "sftp_private_key": self.host.read("/srv/sftp-key"),
            "sftp_host_key": "\n".join(f"{NAME} {line}" for line in lines),
        }
        return self._item("sftp", f"{SFTP_HOME}{path}", fields, changes)

    def fingerprint(self, kind: str) -> str:
        """The fingerprint of one of the SFTP server's host keys."""
        return self.host.run(["ssh-keygen", "-lf", f"/etc/ssh/ssh_host_{kind}_key.pub"]).stdout.split()[1]

    def _item(self, kind: str, path: str, fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        item = {"type": kind, "path": path, "cipher_pass": self.secret(f"passphrase {path}"), "retention_full_days": 14, **fields}
        for name, value in changes.items():
            item[name] = {**item[name], **value} if isinstance(value, Mapping) else value
        return item


def azurite() -> Path:
    """Azurite as npm installs it on this machine; what it needs on a host is node alone."""
    directory = ROOT / ".cache" / "azurite"
    if not (directory / "node_modules" / ".bin" / "azurite-blob").exists():
        if shutil.which("npm") is None:
            execute([str(ROOT / "sandbox" / "packages"), "npm"]).checked()
        execute(["npm", "install", "--prefix", str(directory), "--no-audit", "--no-fund", "--omit=dev", AZURITE]).checked()
    return directory


def stores(lab: Lab, seed: int) -> Stores:
    """Boot the host of the stores, install what they need, make their certificates."""
    host = lab.keep(lab.up("stores", "debian13"))
    host.run(_PACKAGES)
    host.run(_AUTHORITY.format(name=NAME))
    host.run(f"echo 127.0.0.1 {NAME} >> /etc/hosts")
    return Stores(host, seed)
