package app

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"carewire/internal/config"
)

// newLogger writes text to a terminal and JSON elsewhere, unless the settings say which.
func newLogger(cfg config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // The settings were validated.
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "text" || (cfg.LogFormat == "auto" && terminal(w)) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// minLevelHandler lets only warnings and errors through, for a library whose every step is no news to an operator.
type minLevelHandler struct{ slog.Handler }

// Enabled reports whether the level is a warning's or higher, and enabled below.
func (q minLevelHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// WithAttrs stays quiet.
func (q minLevelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return minLevelHandler{q.Handler.WithAttrs(attrs)}
}

// WithGroup stays quiet.
func (q minLevelHandler) WithGroup(name string) slog.Handler {
	return minLevelHandler{q.Handler.WithGroup(name)}
}

// libraryLogger returns the logger for a library that reports every step, and every failure each time it happens.
func libraryLogger(logger *slog.Logger) *slog.Logger {
	return slog.New(minLevelHandler{sparse{logger.Handler(), &repeats{lines: map[repeat]*seen{}}}})
}

const (
	// repeatInterval is how often a line of the same level and message is written at most.
	repeatInterval = time.Minute
	// maxRepeats bounds how many lines are remembered.
	maxRepeats = 1000
)

// sparse lets a line through at most once in repeatInterval; lines are the same when level and message are. The next one
// that passes says in the attribute left_out how many were left out before it.
type sparse struct {
	slog.Handler
	repeats *repeats
}

type repeats struct {
	mu    sync.Mutex
	lines map[repeat]*seen
}

type repeat struct {
	level   slog.Level
	message string
}

type seen struct {
	at      time.Time
	leftOut int
}

// Handle passes the record on, or counts it.
func (s sparse) Handle(ctx context.Context, r slog.Record) error {
	pass, leftOut := s.repeats.count(repeat{r.Level, r.Message}, time.Now())
	if !pass {
		return nil
	}
	if leftOut > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", leftOut))
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs stays sparse.
func (s sparse) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparse{s.Handler.WithAttrs(attrs), s.repeats}
}

// WithGroup stays sparse.
func (s sparse) WithGroup(name string) slog.Handler {
	return sparse{s.Handler.WithGroup(name), s.repeats}
}

// count reports whether the line may pass, and how many of it were left out since the last one that did.
func (c *repeats) count(line repeat, now time.Time) (pass bool, leftOut int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.lines[line]
	if known != nil && now.Sub(known.at) < repeatInterval {
		known.leftOut++
		return false, 0
	}
	if known != nil {
		leftOut = known.leftOut
	}
	if len(c.lines) >= maxRepeats {
		clear(c.lines)
	}
	c.lines[line] = &seen{at: now}
	return true, leftOut
}
