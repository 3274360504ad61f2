package logging

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"carewire/internal/config"
)

// New returns a logger that writes text to a terminal and JSON elsewhere, unless the settings
// choose a format.
func New(cfg config.Config, w io.Writer) *slog.Logger {
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

// minLevelHandler drops records below warning, for a library that logs every step.
type minLevelHandler struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h minLevelHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h minLevelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return minLevelHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h minLevelHandler) WithGroup(name string) slog.Handler {
	return minLevelHandler{h.Handler.WithGroup(name)}
}

// ForLibrary returns a logger for a library that logs every step, and each failure every time it
// occurs.
func ForLibrary(logger *slog.Logger) *slog.Logger {
	return slog.New(minLevelHandler{sparse{logger.Handler(), &repeats{lines: map[repeat]*seen{}}}})
}

const (
	// repeatInterval is the minimum time between two records with the same level and message.
	repeatInterval = time.Minute
	// maxRepeats bounds the number of remembered records.
	maxRepeats = 1000
)

// sparse passes records with the same level and message at most once in repeatInterval. The next
// one that passes has the number of dropped records in the attribute left_out.
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

// Handle implements slog.Handler.
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

// WithAttrs implements slog.Handler.
func (s sparse) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparse{s.Handler.WithAttrs(attrs), s.repeats}
}

// WithGroup implements slog.Handler.
func (s sparse) WithGroup(name string) slog.Handler {
	return sparse{s.Handler.WithGroup(name), s.repeats}
}

// count reports whether a record may pass, and how many were dropped since the last one that did.
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
