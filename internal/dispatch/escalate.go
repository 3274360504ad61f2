package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// maxStepsAtOnce bounds the steps of one transaction: each may notify everybody who holds a role.
const maxStepsAtOnce = 50

// Escalations are the steps that follow if nobody reacts to a rule's notifications of an event. It
// implements scheduler.Source. A step whose reaction has come ends. Otherwise it notifies its people,
// in the transaction that marks it as escalated.
//
// The time of a step counts from the acceptance of the first message by a provider. That is looked up
// when the step is due by the time of its planning, so that settling a message writes nothing here.
// If no message was accepted until then, the step follows at once, unless all messages wait for a
// time or a review. A later step counts from the end of the step before it, and follows at once if
// that one has reached nobody.
//
// A reaction of the person that the event is about counts only if the rule notified nobody else.
type Escalations struct{ planner *Planner }

// Escalations returns the source of the due steps of the planner's rules.
func (p *Planner) Escalations() Escalations { return Escalations{p} }

// Name implements scheduler.Source.
func (Escalations) Name() string { return "escalations" }

// Next implements scheduler.Source.
func (Escalations) Next(ctx context.Context, q db.DBTX) (time.Duration, bool, error) {
	return untilDue(db.New(q).EscalationNextDue(ctx))
}

// Postpone implements scheduler.Source.
func (Escalations) Postpone(ctx context.Context, tx pgx.Tx, by time.Duration) error {
	return db.New(tx).EscalationPostpone(ctx, by.Seconds())
}

// The outcomes of steps that follow; a step that does not has the name of the reaction.
const (
	outcomeEscalated = "escalated"
	outcomeNobody    = "nobody"
	outcomeCutOff    = "cut_off"
)

// dueStep is a due step with what is needed to decide it.
type dueStep struct {
	db.EscalationTakeDueRow
	progress progress
	event    *event.Event
	match    rule.Match // The rule's.
	next     matched    // The step's.
	told     rule.Told
}

// progress is what has become of the notifications of a step's rule, and of the steps before it.
type progress struct{ db.EscalationProgressRow }

// Work implements scheduler.Source.
func (s Escalations) Work(ctx context.Context, tx pgx.Tx, limit int) (int, error) {
	queries := db.New(tx)
	rows, err := queries.EscalationTakeDue(ctx, int32(min(limit, maxStepsAtOnce)))
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	steps := make([]dueStep, len(rows))
	for i, row := range rows {
		steps[i].EscalationTakeDueRow = row
	}
	// A statement of its own, so that it sees what was committed until the rows were locked.
	if err := loadProgress(ctx, queries, steps); err != nil {
		return 0, err
	}
	var out stepPlan
	var due []*dueStep
	for i := range steps {
		if step := &steps[i]; !out.wait(step) {
			due = append(due, step)
		}
	}
	if err := s.escalate(ctx, tx, due, &out); err != nil {
		return 0, err
	}
	return len(rows), s.planner.writeSteps(ctx, tx, &out)
}

// loadProgress loads what has become of the notifications that the steps are about.
func loadProgress(ctx context.Context, queries *db.Queries, steps []dueStep) error {
	type key struct {
		position int64
		rule     string
		step     int32
	}
	var ask db.EscalationProgressParams
	for i := range steps {
		step, counted := &steps[i], ""
		if step.Step > 0 {
			counted = rule.StepKey(step.Rule, int(step.Step)-1)
		}
		ask.EventPositions = append(ask.EventPositions, step.EventPosition)
		ask.Rules = append(ask.Rules, step.Rule)
		ask.Steps = append(ask.Steps, step.Step)
		ask.Counted = append(ask.Counted, counted)
	}
	rows, err := queries.EscalationProgress(ctx, ask)
	if err != nil {
		return fmt.Errorf("read the progress of escalations: %w", err)
	}
	own, others := map[key]progress{}, map[key]progress{}
	for _, row := range rows {
		k := key{row.EventPosition, row.Rule, row.Step}
		if row.Own {
			own[k] = progress{row}
		} else {
			others[k] = progress{row}
		}
	}
	for i := range steps {
		k := key{steps[i].EventPosition, steps[i].Rule, steps[i].Step}
		steps[i].progress = others[k]
		if others[k].Planned == 0 {
			steps[i].progress.add(own[k])
		}
	}
	return nil
}

// add adds the notifications of other people.
func (p *progress) add(o progress) {
	p.StillTrue, p.CutOffBy = p.StillTrue+o.StillTrue, cmp.Or(p.CutOffBy, o.CutOffBy)
	p.Acknowledged, p.Read, p.Delivered = p.Acknowledged || o.Acknowledged, p.Read || o.Read, p.Delivered || o.Delivered
	p.AcceptedAt, p.WaitsUntil = earlier(p.AcceptedAt, o.AcceptedAt), earlier(p.WaitsUntil, o.WaitsUntil)
	p.Waiting, p.Gone = p.Waiting+o.Waiting, p.Gone+o.Gone
}

// earlier returns the earlier of two times; a zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// reaction returns the strongest reaction that has come, or "".
func (p *progress) reaction() rule.Reaction {
	switch {
	case p.Acknowledged:
		return rule.Acknowledged
	case p.Read:
		return rule.Read
	case p.Delivered:
		return rule.Delivered
	}
	return ""
}

func (s *dueStep) after() time.Duration { return time.Duration(s.AfterSeconds * float64(time.Second)) }

// stepPlan is what becomes of due steps.
type stepPlan struct {
	move db.EscalationMoveParams
	end  db.EscalationEndParams
	next db.EscalationBeginParams
	// followed are the steps that escalate or find nobody, in the order of their ends.
	followed []followed
	untrue   []untrue
	plan     plan
}

// untrue is a step that ends because a cut-off made its event untrue.
type untrue struct {
	step  *dueStep
	cause string
}

// cutOffBy returns the cause of the cut-off that made the step's event untrue, for everybody or for
// each person that the rule notified, or "".
func (s *dueStep) cutOffBy() string {
	if s.CutOffBy == "" && s.progress.StillTrue == 0 {
		return s.progress.CutOffBy
	}
	return s.CutOffBy
}

// followed is a step that has escalated, or found nobody.
type followed struct {
	step    *dueStep
	outcome string
	// notifications are those that send messages.
	notifications []uuid.UUID
}

// wait ends the step if its reaction has come or its event is no longer true, or moves its due time if it counts from later. It
// returns false if the step follows now.
func (p *stepPlan) wait(s *dueStep) bool {
	if cause := s.cutOffBy(); cause != "" {
		p.finish(s, outcomeCutOff)
		p.untrue = append(p.untrue, untrue{s, cause})
		return true
	}
	reaction := s.progress.reaction()
	if reaction.Satisfies(rule.Reaction(s.Unless)) {
		p.finish(s, string(reaction))
		return true
	}
	accepted := s.progress.AcceptedAt
	switch {
	case !accepted.IsZero() && s.AcceptedAt.IsZero():
		due := s.DueAt.Add(max(0, accepted.Sub(s.CountedFrom)))
		if due.After(s.DueNow) {
			p.postpone(s, due, s.CountedFrom, accepted)
			return true
		}
	case accepted.IsZero() && s.progress.Waiting > 0 && s.progress.Gone == 0:
		from := later(s.progress.WaitsUntil, s.DueNow)
		p.postpone(s, from.Add(s.after()), later(s.progress.WaitsUntil, s.Now), s.AcceptedAt)
		return true
	}
	return false
}

func (p *stepPlan) postpone(s *dueStep, due, countedFrom, accepted time.Time) {
	p.move.EventPositions = append(p.move.EventPositions, s.EventPosition)
	p.move.Rules = append(p.move.Rules, s.Rule)
	p.move.Steps = append(p.move.Steps, s.Step)
	p.move.DueAts = append(p.move.DueAts, due)
	p.move.CountedFroms = append(p.move.CountedFroms, countedFrom)
	p.move.AcceptedAts = append(p.move.AcceptedAts, accepted)
}

// finish ends the step, and begins to count the time of the next one that a reaction has not made
// unnecessary too.
func (p *stepPlan) finish(s *dueStep, outcome string) {
	var reactions []string
	for _, r := range []rule.Reaction{rule.Acknowledged, rule.Read, rule.Delivered} {
		if rule.Reaction(outcome).Satisfies(r) {
			reactions = append(reactions, string(r))
		}
	}
	p.end.EventPositions = append(p.end.EventPositions, s.EventPosition)
	p.end.Rules = append(p.end.Rules, s.Rule)
	p.end.Steps = append(p.end.Steps, s.Step)
	p.end.Outcomes = append(p.end.Outcomes, outcome)
	p.end.Reactions = append(p.end.Reactions, strings.Join(reactions, ","))
	p.next.EventPositions = append(p.next.EventPositions, s.EventPosition)
	p.next.Rules = append(p.next.Rules, s.Rule)
	p.next.Steps = append(p.next.Steps, s.Step)
	p.next.AtOnce = append(p.next.AtOnce, outcome == outcomeNobody)
}

// escalate plans the notifications of steps that follow now.
func (s Escalations) escalate(ctx context.Context, tx pgx.Tx, due []*dueStep, out *stepPlan) error {
	if len(due) == 0 {
		return nil
	}
	ready, err := s.load(ctx, tx, due, out)
	if err != nil {
		return err
	}
	asked := make([]matched, len(ready))
	for i, step := range ready {
		asked[i] = step.next
	}
	people, err := loadPeople(ctx, db.New(tx), asked, s.planner.now())
	if err != nil {
		return err
	}
	for _, step := range ready {
		found, reached := rule.Escalate(step.event, &step.match, int(step.Step), step.told, people, s.planner.configured)
		out.addStep(step, found, reached)
	}
	return nil
}

// load loads the events and rules of steps, and the people that were notified. It returns the steps
// that can be decided. The others end, because the event was archived or the rule is not in the
// stored set, or wait for a binary that understands the set.
func (s Escalations) load(ctx context.Context, tx pgx.Tx, due []*dueStep, out *stepPlan) (ready []*dueStep, err error) {
	queries := db.New(tx)
	var positions []int64
	var ask db.EscalationToldParams
	versions := map[int32]bool{}
	for _, step := range due {
		positions = append(positions, step.EventPosition)
		versions[step.RuleVersion] = true
		ask.EventPositions, ask.Rules = append(ask.EventPositions, step.EventPosition), append(ask.Rules, step.Rule)
	}
	events, err := eventsAt(ctx, tx, positions)
	if err != nil {
		return nil, err
	}
	sets, err := s.planner.sets.load(ctx, queries, versions)
	if err != nil {
		return nil, err
	}
	told, err := loadTold(ctx, queries, ask)
	if err != nil {
		return nil, err
	}
	for _, step := range due {
		step.told = told[toldKey{step.EventPosition, step.Rule}]
		step.event = events[step.EventPosition]
		set := sets[step.RuleVersion].set
		switch {
		case set == nil:
			out.postpone(step, step.DueNow.Add(undecided), step.CountedFrom, step.AcceptedAt)
		case step.event == nil || !step.find(set):
			out.follow(step, outcomeNobody, nil)
		default:
			ready = append(ready, step)
		}
	}
	return ready, nil
}

// find finds the step's rule, and reports whether it has the step.
func (s *dueStep) find(set *rule.Set) bool {
	m, ok := set.Named(s.event, s.Rule)
	if !ok {
		return false
	}
	s.match = m
	next, ok := m.Step(int(s.Step))
	s.next = matched{event: s.event, version: s.RuleVersion, templates: s.TemplateVersion, matches: []rule.Match{next}}
	return ok
}

type toldKey struct {
	position int64
	rule     string
}

// loadTold returns the people that were notified, by event and rule. Everybody has the notification
// itself, which is the message on the channel inapp.
func loadTold(ctx context.Context, queries *db.Queries, ask db.EscalationToldParams) (map[toldKey]rule.Told, error) {
	rows, err := queries.EscalationTold(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read the people that were notified: %w", err)
	}
	all := map[toldKey]rule.Told{}
	for _, row := range rows {
		k := toldKey{row.EventPosition, row.Rule}
		if all[k] == nil {
			all[k] = rule.Told{}
		}
		all[k][row.RecipientID] = append(row.Channels, care.ChannelInApp)
	}
	return all, nil
}

// addStep adds the notifications of a step.
func (p *stepPlan) addStep(s *dueStep, found rule.Plan, reached bool) {
	var one plan
	one.add(s.next, found)
	var sending []uuid.UUID
	for i := range one.notifications {
		n := &one.notifications[i]
		own := s.event.PersonID != nil && n.recipient == *s.event.PersonID
		n.step, n.needsAck = true, s.match.Rule.AwaitsAcknowledgement() && (!own || s.progress.Planned == 0)
		if n.sends() {
			sending = append(sending, n.id)
		}
	}
	p.plan.take(one)
	if reached {
		p.follow(s, outcomeEscalated, sending)
	} else {
		p.follow(s, outcomeNobody, sending)
	}
}

// follow ends a step that follows.
func (p *stepPlan) follow(s *dueStep, outcome string, notifications []uuid.UUID) {
	p.finish(s, outcome)
	p.followed = append(p.followed, followed{s, outcome, notifications})
}

// writeSteps stores what becomes of steps, and inserts jobs and appends events for those that follow.
func (p *Planner) writeSteps(ctx context.Context, tx pgx.Tx, out *stepPlan) error {
	queries := db.New(tx)
	if len(out.move.Rules) > 0 {
		if err := queries.EscalationMove(ctx, out.move); err != nil {
			return fmt.Errorf("move the due times of escalations: %w", err)
		}
	}
	if len(out.end.Rules) == 0 {
		return nil
	}
	if err := queries.EscalationEnd(ctx, out.end); err != nil {
		return fmt.Errorf("end steps of escalations: %w", err)
	}
	begun, err := queries.EscalationBegin(ctx, out.next)
	if err != nil {
		return fmt.Errorf("begin the next steps of escalations: %w", err)
	}
	out.alertOperators(begun)
	if err := p.write(ctx, tx, &out.plan); err != nil {
		return err
	}
	var events []event.Event
	for i := range out.followed {
		events = append(events, out.followed[i].announcement())
	}
	for i := range out.untrue {
		events = append(events, out.untrue[i].announcement())
	}
	if err := outbox.Append(ctx, tx, events...); err != nil {
		return fmt.Errorf("append escalation events: %w", err)
	}
	p.report(ctx, &out.plan)
	p.reportFailures(ctx, &out.plan)
	return nil
}

// alertOperators adds the decision to alert operators for critical events whose last step has reached
// nobody. begun are the next steps of those that have ended.
func (p *stepPlan) alertOperators(begun []db.EscalationBeginRow) {
	for _, f := range p.followed {
		s := f.step
		if f.outcome != outcomeNobody || s.event == nil || slices.Contains(begun, db.EscalationBeginRow{EventPosition: s.EventPosition, Rule: s.Rule}) {
			continue
		}
		if d, ok := event.Lookup(s.event.Type); !ok || !d.Critical() || s.match.Rule == nil || s.match.Rule.Priority != rule.Critical {
			continue
		}
		p.plan.decisions = append(p.plan.decisions, decision{
			event: s.event, version: s.RuleVersion, rule: s.Rule + "/operators", reason: rule.ReasonReachedNobody,
		})
	}
}

// announcement returns the event of a step that has followed. It has no person's data.
func (f *followed) announcement() event.Event {
	s := f.step
	cmd := care.Command{Actor: planner}
	data := event.Escalation{
		EventID: s.EventID, Rule: s.Rule, RuleVersion: s.RuleVersion, Step: s.Step, Unless: s.Unless, Outcome: f.outcome, NotificationIDs: f.notifications,
	}
	e := event.New(cmd, "notification.escalated", care.Ref{Kind: "escalation", ID: s.EventID}, data).At(cmd, s.ClinicID)
	e.CauseID = &s.EventID
	if s.event != nil {
		e.CorrelationID, e.Traceparent = s.event.CorrelationID, s.event.Traceparent
	}
	return e
}

// announcement returns the event of a step that does not follow, as outbox.Append appends it for
// those that wait while the cut-off is raised.
func (u *untrue) announcement() event.Event {
	s := u.step
	return outbox.EscalationEnded(care.Command{Actor: planner}, event.EscalationEnd{
		EventID: s.EventID, Rule: s.Rule, RuleVersion: s.RuleVersion, Step: s.Step, Reason: notify.CutOffPrefix + u.cause, EscalationsEnded: 1,
	}, s.ClinicID)
}
