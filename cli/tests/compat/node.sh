#!/usr/bin/env bash
# node: objects and strings, timers, promises, files, children, worker threads, the garbage collector.
# needs: node
# memory: 24M 64M
. "$(dirname "$0")/lib.sh"
cat >program.js <<'END'
const fs = require('fs'), { execSync, spawn, exec } = require('child_process'), { Worker } = require('worker_threads');
const count = Number(process.argv[2]), all = [];
for (let i = 0; i < count; i++) all.push({ i, s: 'x' + i });
let hash = 0;
for (const one of all) hash = (hash * 31 + one.s.length + one.i) | 0;
console.log(hash, new Map(all.map(one => [one.s, one.i])).get('x' + (count - 1)));
console.log(execSync('echo from a child').toString().trim());
const run = async () => {
    await new Promise(done => setTimeout(done, 20));
    fs.writeFileSync('file', 'z'.repeat(1 << 20));
    console.log((await fs.promises.readFile('file')).length);
    console.log(await new Promise(done => exec('exit 3', error => done(error.code))));
    const child = spawn('cat');
    let text = '';
    child.stdout.on('data', data => text += data);
    child.stdin.end('through cat');
    await new Promise(done => child.on('close', done));
    console.log(text);
    const work = "const { parentPort, workerData } = require('worker_threads'); let s = 0; for (let i = 0; i < 1e5; i++) s += i * workerData; parentPort.postMessage(s);";
    const workers = [1, 2, 3].map(n => new Promise(done => new Worker(work, { eval: true, workerData: n }).on('message', done)));
    console.log(await Promise.all(workers));
};
run().then(() => { global.gc(); console.log('done'); });
END
$RUN node --expose-gc program.js "$(size 150000 2000000)"
