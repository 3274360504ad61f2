// Package awsclient has the parts that the clients of AWS services share: the configuration, an
// HTTP client that can be closed, and the classification of errors. The SDK's retries are disabled:
// notify counts the attempts of a delivery.
package awsclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"carewire/internal/notify"
	"carewire/internal/notify/httpcall"
)

// Config selects the service's endpoint and the credentials. Empty fields mean the SDK's choice.
type Config struct {
	Region string
	// Endpoint is the URL of the API, such as the sandbox's; empty means Amazon's.
	Endpoint string
	// AccessKeyID and SecretAccessKey override the SDK's search for credentials.
	AccessKeyID, SecretAccessKey string
}

// BaseEndpoint returns the endpoint for the options of a service's client; nil means Amazon's.
func (c Config) BaseEndpoint() *string {
	if c.Endpoint == "" {
		return nil
	}
	return &c.Endpoint
}

// Load reads the SDK's configuration. The transport is that of the HTTP client in it; the caller
// closes its idle connections. Load calls no service.
func (c Config) Load(ctx context.Context) (aws.Config, *http.Transport, error) {
	options := []func(*config.LoadOptions) error{
		// The SDK adds its own settings to this client, such as AWS_CA_BUNDLE.
		config.WithHTTPClient(awshttp.NewBuildableClient().
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = httpcall.DialTimeout }).
			WithTransportOptions(httpcall.Tune)),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithAPIOptions([]func(*middleware.Stack) error{trim}),
	}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	if c.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	built, ok := loaded.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return aws.Config{}, nil, fmt.Errorf("the AWS SDK made an HTTP client of type %T", loaded.HTTPClient)
	}
	// The same transport in our client, which can be closed.
	transport := built.GetTransport()
	loaded.HTTPClient = httpcall.NewClient(transport)
	return loaded, transport, nil
}

// trim removes the steps of the SDK's calls that notify does not use, which are a tenth of the time of
// a call and an eighth of its allocations:
//   - retries, with a copy of the request, metrics, and the correction of this host's clock: an attempt
//     is one call, and hosts run NTP;
//   - headers for support and statistics: an ID, the SDK's version, recursion of Lambda functions;
//   - the raw answer, its times and its ID in the metadata, and the log of requests;
//   - options of earlier versions of the SDK.
//
// A step that the SDK does not have is not an error.
func trim(stack *middleware.Stack) error {
	for _, id := range []string{"Retry", "InterceptBeforeRetryLoop", "InterceptAttempt", "disableHTTPS", "setLegacyContextSigningOptions"} {
		_, _ = stack.Finalize.Remove(id)
	}
	for _, id := range []string{"ClientRequestID", "UserAgent", "RecursionDetection"} {
		_, _ = stack.Build.Remove(id)
	}
	for _, id := range []string{"AddRawResponseToMetadata", "RequestIDRetriever", "RecordResponseTiming", "RequestResponseLogger"} {
		_, _ = stack.Deserialize.Remove(id)
	}
	_, _ = stack.Serialize.Remove("ResolveEndpoint")
	return nil
}

// Classify returns the SDK's error as a *notify.Error. permanent returns the stable code if the
// service's error means that the same message would be rejected again, and otherwise the code to
// record. It is not called for throttling. Other answers are transient: an account or credentials
// that an operator has to fix, and the service's failures.
func Classify(err error, progress *httpcall.Progress, permanent func(code string, err error) (string, bool)) error {
	response, answered := errors.AsType[*awshttp.ResponseError](err)
	if !answered || response.HTTPStatusCode() == 0 {
		return progress.Unanswered(err)
	}
	code, status := "status_"+strconv.Itoa(response.HTTPStatusCode()), response.HTTPStatusCode()
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError" {
		code = api.ErrorCode()
	}
	wait := httpcall.RetryAfter(response.Response.Header)
	switch {
	case status < 300:
		// A successful answer that cannot be read.
		return notify.Uncertain("unreadable_answer")
	case throttled(code, status):
		return notify.Throttled(code, wait)
	}
	code, final := permanent(code, err)
	if final {
		return notify.Permanent(code)
	}
	return notify.Transient(code, wait)
}

// throttled reports whether the answer means that the service is called too often for the account's
// rate or quota.
// https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
func throttled(code string, status int) bool {
	switch code {
	case "TooManyRequestsException", "RequestLimitExceeded", "SlowDown":
		return true
	}
	return status == http.StatusTooManyRequests || strings.HasPrefix(code, "Throttl") || strings.HasPrefix(code, "RequestThrottl")
}
