// Goroutines, channels, maps and garbage; the output is the same every time.
package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

type node struct {
	left, right *node
	value       int
}

func tree(depth, value int) *node {
	if depth == 0 {
		return &node{value: value}
	}
	return &node{tree(depth-1, value*2), tree(depth-1, value*2+1), value}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.left.sum() + n.right.sum() + n.value
}

func main() {
	scale, _ := strconv.Atoi(os.Args[1])
	in, out := make(chan int), make(chan int, 10)
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for depth := range in {
				out <- tree(depth%4+10, 1).sum()
			}
		}()
	}
	go func() {
		for i := 0; i < 100*scale; i++ {
			in <- i
		}
		close(in)
		group.Wait()
		close(out)
	}()
	total := 0
	for sum := range out {
		total += sum
	}
	fmt.Println("trees", total)
	kept := tree(16, 1)
	words := map[string]int{}
	for i := 0; i < 100000*scale; i++ {
		words[strconv.Itoa(i*7919%50021)] += i
	}
	keys := make([]string, 0, len(words))
	for key := range words {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	sum := crc32.NewIEEE()
	for _, key := range keys {
		fmt.Fprintln(sum, key, words[key])
	}
	fmt.Printf("map %d %08x, kept %d\n", len(keys), sum.Sum32(), kept.sum())
	select {
	case <-time.After(20 * time.Millisecond):
		fmt.Println("timer")
	case <-out:
		out = nil
		time.Sleep(20 * time.Millisecond)
		fmt.Println("timer")
	}
}
