#!/usr/bin/env bash
# perl: hashes, sorting, regular expressions, one process.
# needs: perl
# memory: 4M 64M
. "$(dirname "$0")/lib.sh"
$RUN perl -e 'my ($n, $s, %h) = (shift, 1); for (1 .. $n) { $s = ($s * 69069 + 1) % 4294967296; $h{sprintf "%08x", $s} = $_ }
    my @k = sort { $h{$a} % 1000 <=> $h{$b} % 1000 or $a cmp $b } keys %h; print scalar(@k), " @k[0 .. 4]\n";
    my $t = join ",", @k; my $c = () = $t =~ /(?:ab|cd)[0-9]+,/g; $t =~ s/(\d)(\d)/$2$1/g; print "$c ", unpack("%32C*", $t), "\n"' "$(size 60000 1000000)"
