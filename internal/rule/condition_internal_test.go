package rule

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The race detector sees what this test is about.
func TestEnvironments_CompileForSeveralAtOnceFromTheFirst(t *testing.T) {
	t.Parallel()
	envs, err := newEnvironments()
	require.NoError(t, err)
	for _, env := range envs {
		var wg sync.WaitGroup
		for _, source := range []string{`data.status == "x"`, `missing`, `["a"].exists(v, v == data.status)`, `dada.status == "x"`, `[1].all(v, v > 0)`} {
			wg.Go(func() {
				for range 20 {
					_, issues := env.Compile(source)
					assert.Equal(t, source == "missing" || source == `dada.status == "x"`, issues.Err() != nil, source)
				}
			})
		}
		wg.Wait()
	}
}
