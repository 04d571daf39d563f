// Threads, collections and garbage; the output is the same every time.
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Program {
    record Node(Node left, Node right, int value) {
        long sum() { return value + (left == null ? 0 : left.sum() + right.sum()); }
    }
    static Node tree(int depth, int value) {
        return depth == 0 ? new Node(null, null, value) : new Node(tree(depth - 1, value * 2), tree(depth - 1, value * 2 + 1), value);
    }
    public static void main(String[] words) throws Exception {
        int scale = Integer.parseInt(words[0]);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> sums = new ArrayList<>();
        for (int i = 0; i < 100 * scale; i++) {
            int depth = i % 4 + 10;
            sums.add(pool.submit(() -> tree(depth, 1).sum()));
        }
        long total = 0;
        for (Future<Long> sum : sums)
            total += sum.get();
        pool.shutdown();
        System.out.println("trees " + total);
        Map<String, Integer> map = new TreeMap<>();
        for (int i = 0; i < 100000 * scale; i++)
            map.merge(Integer.toString(i % 50021 * 7919 % 50021), i, (a, b) -> a * 31 + b);
        System.out.println("map " + map.size() + " " + map.hashCode());
        System.out.println("stream " + IntStream.range(0, 1000000 * scale).parallel().mapToLong(i -> (long) i * i % 7).sum());
        Object lock = new Object();
        int[] turn = {0};
        Thread[] threads = new Thread[4];
        for (int t = 0; t < 4; t++) {
            int me = t;
            threads[t] = new Thread(() -> {
                synchronized (lock) {
                    for (int i = 0; i < 50; i++) {
                        while (turn[0] % 4 != me)
                            try { lock.wait(); } catch (InterruptedException e) { return; }
                        turn[0]++;
                        lock.notifyAll();
                    }
                }
            });
            threads[t].start();
        }
        for (Thread thread : threads)
            thread.join();
        System.out.println("turns " + turn[0]);
    }
}
