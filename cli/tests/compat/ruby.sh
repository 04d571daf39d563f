#!/usr/bin/env bash
# ruby: strings, sorting, threads, fibers, fork, backticks, the garbage collector.
# needs: ruby
# memory: 6M 48M
. "$(dirname "$0")/lib.sh"
$RUN ruby -e 'n = ARGV[0].to_i; a = (1..n).map { |i| "x#{i * 7919 % n}" }
puts a.sort.first(3).inspect, a.uniq.size, a.group_by(&:size).map { |k, v| [k, v.size] }.sort.inspect
puts 4.times.map { |k| Thread.new { (1..2000).sum * k } }.map(&:value).inspect
f = Fiber.new { 3.times { |i| Fiber.yield i } }; puts 3.times.map { f.resume }.inspect
r, w = IO.pipe; pid = fork { w.write a.last(2).inspect; exit 3 }; w.close; Process.wait pid; puts r.read, $?.exitstatus
puts `echo from a shell`; trap("USR1") { puts "signal" }; Process.kill("USR1", $$); sleep 0.01; GC.start; puts GC.count > 0' "$(size 100000 2000000)"
