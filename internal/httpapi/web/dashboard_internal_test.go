package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDashboard_QueriesInTheBackgroundOnlyWhileItIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Bool
		start := func(ctx context.Context) error {
			running.Store(true)
			context.AfterFunc(ctx, func() { running.Store(false) })
			return nil
		}
		d := newDashboard(http.NotFoundHandler(), start, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		visit := func() {
			d.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, dashboardPath+"/api/states", nil))
			synctest.Wait()
		}
		after := func(passed time.Duration) bool {
			time.Sleep(passed) //nolint:forbidigo // synctest's clock
			synctest.Wait()
			return running.Load()
		}
		require.False(t, after(time.Hour), "before the first request")
		visit()
		require.True(t, running.Load())
		require.True(t, after(dashboardIdle-time.Second))
		visit()
		require.True(t, after(dashboardIdle-time.Second), "the second request extends it")
		require.False(t, after(2*time.Second))
		visit()
		require.True(t, running.Load(), "the next request starts it again")
		stop()
		require.NoError(t, <-done)
		synctest.Wait()
		require.False(t, running.Load())
	})
}
