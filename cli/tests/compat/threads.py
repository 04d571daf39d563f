"""Threads of Python: a queue between them, a lock, a pool, a timer, an event."""
import hashlib
import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

scale = int(sys.argv[1])
work, done, lock, total = queue.Queue(20), queue.Queue(), threading.Lock(), 0


def worker():
    global total
    while (item := work.get()) is not None:
        digest = hashlib.sha256(b"%d" % item * 5000).hexdigest()
        with lock:
            total += int(digest[:8], 16)
        done.put((item, digest))


threads = [threading.Thread(target=worker) for _ in range(4)]
for thread in threads:
    thread.start()
for item in range(200 * scale):
    work.put(item)
for thread in threads:
    work.put(None)
for thread in threads:
    thread.join()
found = dict(done.get() for _ in range(done.qsize()))
print(len(found), total, found[77][:16])
blocks = [bytearray(range(256)) * 4096 * scale for _ in range(16)]
with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(sum, blocks)), len(set(pool.map(lambda b: hashlib.md5(b).hexdigest(), blocks))))
event = threading.Event()
threading.Timer(0.05, event.set).start()
print(event.wait(20), threading.active_count() >= 1)
