// A small client in another language, on stubs generated from the protos alone: sign in, charge, wait for the outcome, and read the refusals.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	charge "charging.example/interop/gen/charging/customer_charge/v1"
	identity "charging.example/interop/gen/charging/identity/v1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type report struct {
	Id, Status, ReplayId, Code, Reason, Field string
	Replayed                                  []string
}

func main() {
	identityAddress, chargeAddress := os.Args[1], os.Args[2]
	vendor, _ := strconv.ParseInt(os.Args[3], 10, 64)
	customer, _ := strconv.ParseInt(os.Args[4], 10, 64)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	tokens := identity.NewTokenServiceClient(dial(identityAddress))
	signedIn, err := tokens.CreateToken(ctx, &identity.CreateTokenRequest{Username: os.Args[5], Password: os.Args[6]})
	check(err)
	caller := metadata.AppendToOutgoingContext(ctx, "authorization", "Token "+signedIn.Token)
	keyed := metadata.AppendToOutgoingContext(caller, "idempotency-key", os.Args[7])

	charges := charge.NewChargeServiceClient(dial(chargeAddress))
	wish := &charge.IncreaseCreditRequest{
		VendorId: vendor, CustomerId: customer, Amount: 42, WaitSeconds: 10, Metadata: map[string]string{"client": "go"},
	}
	made, err := charges.IncreaseCredit(keyed, wish)
	check(err)
	var trailer metadata.MD
	again, err := charges.IncreaseCredit(keyed, wish, grpc.Trailer(&trailer))
	check(err)

	_, err = charges.IncreaseCredit(caller, &charge.IncreaseCreditRequest{VendorId: vendor, CustomerId: customer})
	found := report{Id: made.Data.Id, Status: made.Status.String(), ReplayId: again.Data.Id, Replayed: trailer.Get("idempotent-replayed")}
	refusal := status.Convert(err)
	found.Code = refusal.Code().String()
	for _, detail := range refusal.Details() {
		switch known := detail.(type) {
		case *errdetails.ErrorInfo:
			found.Reason = known.Reason
		case *errdetails.BadRequest:
			found.Field = known.FieldViolations[0].Field
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(found))
}

func dial(address string) *grpc.ClientConn {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	return connection
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
