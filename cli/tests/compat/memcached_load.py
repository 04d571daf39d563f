"""memcached_load.py SOCKET CLIENTS KEYS: each client sets and gets its keys and checks every answer."""
import socket
import sys
import threading


def client(path, me, keys, wrong):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(path)
    stream = connection.makefile("rwb")
    value = lambda key: (f"{me}-{key}-" * 200).encode()[:2000]
    for key in range(keys):
        stream.write(b"set c%d.%d 0 0 2000\r\n%s\r\n" % (me, key, value(key).ljust(2000)))
        stream.flush()
        wrong[me] += stream.readline() != b"STORED\r\n"
    for key in range(keys):
        stream.write(b"get c%d.%d\r\n" % (me, key))
        stream.flush()
        header = stream.readline()
        wrong[me] += header != b"VALUE c%d.%d 0 2000\r\n" % (me, key) or stream.read(2002)[:-2] != value(key).ljust(2000)
        wrong[me] += stream.readline() != b"END\r\n"


path, clients, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
wrong = [0] * clients
threads = [threading.Thread(target=client, args=(path, me, keys, wrong)) for me in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(f"{clients} clients, {keys} keys each, {sum(wrong)} wrong")
