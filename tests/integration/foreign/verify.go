// Verify checks a Glomar ledger with Go's own transparency log code (golang.org/x/mod/sumdb), none of ours.
// Run by tests/integration/test_foreign_verifier.py, and by anyone who wants a second opinion.
//
//	verify <ledger directory> <vkey file> <receipt file>
//
// It opens the checkpoint with the vkey, recomputes the root from the entry bundles (this version's
// TileHashReader accepts forged tiles, so hash tiles are not read), and checks one receipt. Exit 0 or 1.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type head struct {
	size int64
	root tlog.Hash
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: verify <ledger directory> <vkey file> <receipt file>")
		os.Exit(2)
	}
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "REJECTED:", err)
		os.Exit(1)
	}
}

func verify(directory, vkeyFile, receiptFile string) error {
	vkey, err := os.ReadFile(vkeyFile)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSuffix(string(vkey), "\n"))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(directory, "checkpoint"))
	if err != nil {
		return err
	}
	signed, err := openCheckpoint(text, verifier)
	if err != nil {
		return err
	}
	entries, err := readEntries(directory, signed.size)
	if err != nil {
		return err
	}
	if err := checkRoot(entries, signed); err != nil {
		return err
	}
	receipt, err := os.ReadFile(receiptFile)
	if err != nil {
		return err
	}
	index, err := checkReceipt(string(receipt), entries, verifier)
	if err != nil {
		return err
	}
	fmt.Printf("OK %s: %d entries hash to %s, receipt for %d holds\n", verifier.Name(), signed.size, signed.root, index)
	return nil
}

func openCheckpoint(text []byte, verifier note.Verifier) (head, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return head{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return head{}, fmt.Errorf("checkpoint: not origin, size, root of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return head{}, fmt.Errorf("checkpoint: %w", err)
	}
	root, err := tlog.ParseHash(lines[2])
	return head{size, root}, err
}

func readEntries(directory string, size int64) ([][]byte, error) {
	var entries [][]byte
	for bundle := int64(0); bundle*256 < size; bundle++ {
		path := bundlePath(bundle)
		if width := size - bundle*256; width < 256 {
			path = fmt.Sprintf("%s.p/%d", path, width)
		}
		data, err := os.ReadFile(filepath.Join(directory, path))
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("%s: an entry is cut off", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			entries = append(entries, data[2:end])
			data = data[end:]
		}
	}
	if int64(len(entries)) != size {
		return nil, fmt.Errorf("the bundles hold %d entries, the checkpoint says %d", len(entries), size)
	}
	return entries, nil
}

func bundlePath(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return "tile/entries/" + path
}

func checkRoot(entries [][]byte, signed head) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for n, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(n), entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(signed.size, reader)
	if err != nil {
		return err
	}
	if root != signed.root {
		return fmt.Errorf("the entries hash to %s, the checkpoint says %s", root, signed.root)
	}
	return nil
}

func checkReceipt(text string, entries [][]byte, verifier note.Verifier) (int64, error) {
	proofText, checkpoint, found := strings.Cut(text, "\n\n")
	lines := strings.Split(proofText, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, fmt.Errorf("receipt: not a c2sp.org/tlog-proof@v1 text")
	}
	if strings.HasPrefix(lines[1], "extra ") && len(lines) > 2 { // not authenticated: the entry is the ledger's
		lines = append(lines[:1], lines[2:]...)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil || index < 0 || index >= int64(len(entries)) {
		return 0, fmt.Errorf("receipt: no such index: %q", lines[1])
	}
	signed, err := openCheckpoint([]byte(checkpoint), verifier)
	if err != nil {
		return 0, fmt.Errorf("receipt: %w", err)
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(raw) != tlog.HashSize {
			return 0, fmt.Errorf("receipt: not a hash: %q", line)
		}
		proof = append(proof, *(*tlog.Hash)(raw))
	}
	return index, tlog.CheckRecord(proof, signed.size, signed.root, index, tlog.RecordHash(entries[index]))
}
