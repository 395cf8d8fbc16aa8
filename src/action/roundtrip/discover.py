"""Asks the controller as a machine does that looks for its spec.

Arguments: https://HOST:PORT, the SHA-256 of its certificate, the machine's name, and
`spec` where the site has a spec of that name. The token is HOMESTAK_AUTH_TOKEN.
"""

import hashlib
import http.client
import os
import ssl
import sys
import urllib.parse

server, pin, name, has = sys.argv[1:5]
url = urllib.parse.urlsplit(server)
trust = ssl.create_default_context()
trust.check_hostname = False
# The fingerprint says who it is.
trust.verify_mode = ssl.CERT_NONE


def ask(path, token=""):
    """The status of an answer."""
    line = http.client.HTTPSConnection(
        url.hostname, url.port or 443, timeout=20, context=trust
    )
    try:
        line.connect()
        shown = hashlib.sha256(line.sock.getpeercert(binary_form=True)).hexdigest()
        if shown != pin:
            sys.exit(f"it shows a certificate with SHA-256 {shown}, expected {pin}")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        answer.read(1 << 20)
        return answer.status
    except OSError as error:
        sys.exit(f"it cannot be reached: {error}")
    finally:
        line.close()


status = ask("/health")
if status != 200:
    sys.exit(f"/health answers {status}")
if has == "spec":
    path = "/spec/" + urllib.parse.quote(name)
    status = ask(path, os.environ.get("HOMESTAK_AUTH_TOKEN", ""))
    if status != 200:
        sys.exit(f"{path} answers {status}")
    print("well, and gives its spec")
else:
    print("well")
