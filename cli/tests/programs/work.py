# Dicts, big integers, a list of as many MiB as the argument says, and file I/O.
import sys
import tempfile

mib = int(sys.argv[1])
words = {i: str(i * i) for i in range(mib * 700)}
print(sum(len(word) for word in words.values()), sorted(words.values())[:: mib * 50])
power = 3**8000
print(power % (10**9 + 7), len(str(power)))
table = [None] * (mib << 17)
for i in range(0, len(table), 997):
    table[i] = i
print(len(table), sum(i for i in table if i is not None))
with tempfile.TemporaryFile() as file:
    for i in range(mib * 100):
        file.write(b"%d\n" % (i * 7919 % 10007))
    file.seek(0)
    lines = sorted(int(line) for line in file)
print(sum(lines), lines[len(lines) // 2])
