"""get.py URL [ENCODING]: prints what the server answers; ends with 22 for an error status."""
import sys
import urllib.error
import urllib.request

headers = {"Accept-Encoding": sys.argv[2]} if len(sys.argv) > 2 else {}
try:
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), timeout=60) as answer:
        sys.stdout.buffer.write(answer.read())
except urllib.error.HTTPError as error:
    print(error.code, file=sys.stderr)
    sys.exit(22)
