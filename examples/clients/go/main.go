// Command client calls the quoter through Ferry's gateway with a generated client: unary, server stream, client stream.
//
//	cd examples/clients/go && go run . [127.0.0.1:8080]
//
// Nothing here knows of Ferry: it is an ordinary gRPC client. Prints what it does, and one JSON object at the end.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	command "quoter-client/gen/quoter/command/v1"
	query "quoter-client/gen/quoter/query/v1"
)

const text = "Rivers know this: there is no hurry."

type result struct {
	QuoteID          string `json:"quoteId"`
	ReadText         string `json:"readText"`
	Watched          bool   `json:"watched"`
	RecordedBatches  int64  `json:"recordedBatches"`
	DuplicateBatches int64  `json:"duplicateBatches"`
	LastSequence     int64  `json:"lastSequence"`
}

func main() {
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	done, err := run(address)
	if err != nil {
		log.Fatal(err)
	}
	line, err := json.Marshal(done)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

func run(address string) (*result, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	commands := command.NewQuoteCommandServiceClient(connection)
	queries := query.NewQuoteQueryServiceClient(connection)

	// Unary: write, then read what was written. MinPosition waits until the read model has seen the write.
	first, err := submit(ctx, commands, "Go with the flow.")
	if err != nil {
		return nil, err
	}
	read, err := queries.GetQuote(ctx, &query.GetQuoteRequest{QuoteId: first.QuoteId, MinPosition: first.Position})
	if err != nil {
		return nil, err
	}
	fmt.Printf("submitted and read back %s: %s\n", read.Quote.QuoteId, read.Quote.Text)

	// Server stream: everything behind the first quote, until the second one comes by.
	stream, err := queries.WatchQuotes(ctx, &query.WatchQuotesRequest{AfterPosition: first.Position})
	if err != nil {
		return nil, err
	}
	second, err := submit(ctx, commands, text)
	if err != nil {
		return nil, err
	}
	watched, err := watchUntil(stream, text)
	if err != nil {
		return nil, err
	}
	fmt.Printf("watched %s arrive\n", watched)

	// Client stream: batches of views, numbered by their producer. One that does not know whether batch 3 got through
	// sends it again: it is counted as a duplicate.
	producer := "go-" + rand.Text()
	if _, err := record(ctx, commands, producer, first.QuoteId, 1, 3); err != nil {
		return nil, err
	}
	again, err := record(ctx, commands, producer, first.QuoteId, 3, 4)
	if err != nil {
		return nil, err
	}
	fmt.Printf("recorded %d batch more, %d had been there before\n", again.RecordedBatches, again.DuplicateBatches)
	return &result{
		QuoteID:          first.QuoteId,
		ReadText:         read.Quote.Text,
		Watched:          watched == second.QuoteId,
		RecordedBatches:  again.RecordedBatches,
		DuplicateBatches: again.DuplicateBatches,
		LastSequence:     again.LastSequence,
	}, nil
}

// submit adds a quote. The command id makes it safe to send again: the same id never adds a second one.
func submit(ctx context.Context, commands command.QuoteCommandServiceClient, text string) (
	*command.SubmitQuoteResponse, error,
) {
	request := &command.SubmitQuoteRequest{CommandId: rand.Text(), Text: text, Author: "the Go client"}
	return commands.SubmitQuote(ctx, request)
}

func watchUntil(stream grpc.ServerStreamingClient[query.WatchQuotesResponse], text string) (string, error) {
	for {
		seen, err := stream.Recv()
		if err != nil {
			return "", err
		}
		if seen.Quote.Text == text {
			return seen.Quote.QuoteId, nil
		}
	}
}

func record(ctx context.Context, commands command.QuoteCommandServiceClient, producer, quoteID string, from, to int64) (
	*command.RecordViewsResponse, error,
) {
	stream, err := commands.RecordViews(ctx)
	if err != nil {
		return nil, err
	}
	for sequence := from; sequence <= to; sequence++ {
		views := []*command.QuoteViews{{QuoteId: quoteID, Count: 10}}
		batch := &command.RecordViewsRequest{ProducerId: producer, Sequence: sequence, Views: views}
		if err := stream.Send(batch); err != nil {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}
