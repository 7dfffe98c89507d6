// Command client is grpc-go as a client of echo.proto: every kind of call through 127.0.0.1:<port>, one JSON object at
// the end. Arguments: the port, how many calls at once, and for TLS the file of the authority that it trusts.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "/e2e.echo.Echo/"

func random(size int) []byte {
	octets := make([]byte, size)
	_, _ = rand.Read(octets)
	return octets
}

func unary(ctx context.Context, connection *grpc.ClientConn, payload []byte, options ...grpc.CallOption) bool {
	reply := new(wrapperspb.BytesValue)
	if err := connection.Invoke(ctx, service+"Unary", wrapperspb.Bytes(payload), reply, options...); err != nil {
		log.Print(err)
		return false
	}
	return bytes.Equal(reply.Value, payload)
}

func stream(ctx context.Context, connection *grpc.ClientConn, name string) grpc.ClientStream {
	description := &grpc.StreamDesc{StreamName: name, ClientStreams: true, ServerStreams: true}
	opened, err := connection.NewStream(ctx, description, service+name)
	if err != nil {
		log.Fatal(err)
	}
	return opened
}

// exchange sends all payloads and gives all replies.
func exchange(ctx context.Context, connection *grpc.ClientConn, name string, payloads [][]byte) [][]byte {
	opened := stream(ctx, connection, name)
	go func() {
		for _, payload := range payloads {
			if opened.SendMsg(wrapperspb.Bytes(payload)) != nil {
				return
			}
		}
		_ = opened.CloseSend()
	}()
	var replies [][]byte
	for {
		reply := new(wrapperspb.BytesValue)
		err := opened.RecvMsg(reply)
		if err == io.EOF {
			return replies
		}
		if err != nil {
			log.Print(err)
			return nil
		}
		replies = append(replies, reply.Value)
	}
}

func streams(ctx context.Context, connection *grpc.ClientConn, result map[string]any) {
	hash := sha256.New()
	var pieces [][]byte
	for i := range 40 {
		pieces = append(pieces, random(1+997*i))
		hash.Write(pieces[i])
	}
	digest := exchange(ctx, connection, "ClientStream", pieces)
	result["clientStream"] = len(digest) == 1 && string(digest[0]) == hex.EncodeToString(hash.Sum(nil))
	seen := exchange(ctx, connection, "ServerStream", [][]byte{[]byte("30,70000")})
	isWhole := len(seen) == 30
	for i, reply := range seen {
		isWhole = isWhole && bytes.Equal(reply, bytes.Repeat([]byte{byte(i)}, 70000))
	}
	result["serverStream"] = isWhole
	result["duplex"] = reflect.DeepEqual(exchange(ctx, connection, "Duplex", pieces), pieces)
}

func echoedMetadata(ctx context.Context, connection *grpc.ClientConn) bool {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	ascii, octets := []string{"first", "second"}, []string{string(binary), "\x00"}
	for _, value := range ascii {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-echo", value)
	}
	for _, value := range octets {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-echo-bin", value)
	}
	var header, trailer metadata.MD
	isSame := unary(ctx, connection, []byte("m"), grpc.Header(&header), grpc.Trailer(&trailer))
	for _, found := range []metadata.MD{header, trailer} {
		// The server joins equal names, as HTTP allows for values that are text.
		isSame = isSame && strings.Join(found["x-echo"], ", ") == strings.Join(ascii, ", ")
		isSame = isSame && reflect.DeepEqual(found["x-echo-bin"], octets)
	}
	return isSame
}

func together(ctx context.Context, connection *grpc.ClientConn, count int) int64 {
	ctx = metadata.AppendToOutgoingContext(ctx, "x-together", strconv.Itoa(count))
	var right atomic.Int64
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() {
			if unary(ctx, connection, random(100+i%500)) {
				right.Add(1)
			}
		})
	}
	group.Wait()
	return right.Load()
}

func sleep(ctx context.Context, connection *grpc.ClientConn) string {
	err := connection.Invoke(ctx, service+"Sleep", wrapperspb.Bytes([]byte("z")), new(wrapperspb.BytesValue))
	return status.Code(err).String()
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	limits := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30))
	transport := insecure.NewCredentials()
	if len(os.Args) > 3 {
		transport, err = credentials.NewClientTLSFromFile(os.Args[3], "")
		if err != nil {
			log.Fatal(err)
		}
	}
	target := "127.0.0.1:" + os.Args[1]
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(transport), limits, grpc.WithDisableRetry())
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	result := map[string]any{
		"unary":    unary(ctx, connection, random(1000)),
		"eightMb":  unary(ctx, connection, random(8*1024*1024)),
		"metadata": echoedMetadata(ctx, connection),
		"together": together(ctx, connection, count),
	}
	streams(ctx, connection, result)
	cancelled, stop := context.WithCancel(ctx)
	time.AfterFunc(300*time.Millisecond, stop)
	result["cancel"] = sleep(cancelled, connection)
	begun := time.Now()
	late, end := context.WithTimeout(ctx, 300*time.Millisecond)
	defer end()
	result["deadline"] = sleep(late, connection)
	result["deadlineMs"] = time.Since(begun).Milliseconds()
	line, err := json.Marshal(result)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}
