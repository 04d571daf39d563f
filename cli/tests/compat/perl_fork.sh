#!/usr/bin/env bash
# perl: fork, pipes, backticks, signals, statuses of children.
# needs: perl
# memory: 2M 8M
. "$(dirname "$0")/lib.sh"
$RUN perl -e 'my @x = map { $_ * 3 } 1 .. shift; my $sum = 0; for my $c (1 .. 4) { my $pid = open(my $in, "-|") // die "fork: $!";
    if (!$pid) { my $s = 0; $s += $x[$_ * 4 + $c - 1] for 0 .. @x / 4 - 1; print "$s\n"; exit } $sum += <$in>; close $in }
    print "$sum\n"; print `echo from a shell`; local $SIG{USR1} = sub { print "signal\n" }; system("kill -USR1 $$"); sleep 0;
    print "status ", system("exit 5;") >> 8, "\n"' "$(size 40000 1000000)"
