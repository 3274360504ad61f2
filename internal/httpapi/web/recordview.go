package web

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/clinic/ehr"
)

// recordView is a record in words.
type recordView struct {
	Title, Kind string
	// Status is the status in words; Retracted marks a record that was entered in error.
	Status    string
	Retracted bool
	// Masked marks a retracted record of which its patient sees no content.
	Masked bool
	// Reason is the reason of an amendment or a retraction.
	Reason            string
	Effective         string
	Version           int64
	Updated           string
	Clinic            string
	Findings          []finding
	Fields            []fieldView
	Sections          []ehr.Section
	HasRange, HasMark bool
}

// finding is a row of measurements.
type finding struct {
	Name, Value, Range, Meaning string
	// Marked is true if the meaning is not ordinary.
	Marked bool
}

// fieldView is a field of a record with its values, a line each.
type fieldView struct {
	Label string
	Lines []string
}

// newRecordView returns the view of a record in the reader's time zone. The fields of a kind are
// taken from its struct, so that a new kind or field is shown without a change here.
func newRecordView(r ehr.Record[any], kind string, to reader) recordView {
	v := recordView{
		Kind: capital(strings.ReplaceAll(kind, "_", " ")), Version: r.Version, Reason: r.Reason, Updated: moment(r.UpdatedAt, to.zone),
	}
	body, head := reflect.ValueOf(r.Body), headOf(r)
	v.Title, v.Status, v.Effective = coding(head.Code), words(head.Status), when(head.EffectiveAt, to.zone)
	v.Retracted, v.Clinic = head.Status == "entered-in-error", to.clinicName(head.ClinicID)
	if v.Masked = masked(head); v.Masked {
		v.Title = v.Kind
	}
	for i := range body.NumField() {
		v.add(body.Type().Field(i), body.Field(i), head, to)
	}
	for _, f := range v.Findings {
		v.HasRange, v.HasMark = v.HasRange || f.Range != "", v.HasMark || f.Meaning != ""
	}
	return v
}

// add adds a field of the body, unless it is the head or empty.
func (v *recordView) add(field reflect.StructField, value reflect.Value, head ehr.Head, to reader) {
	if field.Name == "Head" || value.IsZero() {
		return
	}
	switch part := value.Interface().(type) {
	case []ehr.Result:
		for _, r := range part {
			v.Findings = append(v.Findings, measured(r.Code, ehr.Measured{Value: &r.Value, Unit: r.Unit, Interpretation: r.Interpretation}, r.ReferenceRange))
		}
	case ehr.Measured:
		v.Findings = append(v.Findings, measured(head.Code, part, nil))
	case []ehr.Component:
		for _, c := range part {
			v.Findings = append(v.Findings, measured(c.Code, c.Measured, nil))
		}
	case []ehr.Section:
		v.Sections = part
	default:
		if lines := linesOf(field, value, to); len(lines) > 0 {
			v.Fields = append(v.Fields, fieldView{label(jsonName(field)), lines})
		}
	}
}

// measured returns the row of a measurement.
func measured(code ehr.Coding, m ehr.Measured, normal *ehr.ReferenceRange) finding {
	f := finding{Name: coding(code), Meaning: interpretation(m.Interpretation), Marked: !ordinary[m.Interpretation], Range: rangeText(normal, m.Unit)}
	switch {
	case m.Value != nil:
		f.Value = valueText(*m.Value, m.Unit)
	case m.DataAbsentReason != "":
		f.Value = "No value: " + strings.ReplaceAll(m.DataAbsentReason, "-", " ")
	}
	return f
}

func valueText(value ehr.Value, ucum string) string {
	switch {
	case value.Number != nil:
		return quantity(string(*value.Number), ucum)
	case value.Text != nil:
		return quantity(*value.Text, ucum)
	case value.Coding != nil:
		return coding(*value.Coding)
	}
	return ""
}

// rangeText returns a reference range, or "".
func rangeText(r *ehr.ReferenceRange, ucum string) string {
	if r == nil {
		return ""
	}
	var text string
	switch {
	case r.Low != nil && r.High != nil:
		text = quantity(string(*r.Low)+" to "+string(*r.High), ucum)
	case r.Low != nil:
		text = quantity("at least "+string(*r.Low), ucum)
	case r.High != nil:
		text = quantity("at most "+string(*r.High), ucum)
	}
	if r.Text != "" && text != "" {
		return text + " (" + r.Text + ")"
	}
	return text + r.Text
}

// linesOf returns the value of a field in words, an item of a list in each line. Ids are left out.
func linesOf(field reflect.StructField, value reflect.Value, to reader) []string {
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	if value.Kind() == reflect.Slice {
		var all []string
		for i := range value.Len() {
			all = append(all, linesOf(field, value.Index(i), to)...)
		}
		return all
	}
	if text := scalar(field, value, to); text != "" {
		return []string{text}
	}
	return nil
}

// scalar returns one value in words. A struct that has no form of its own is the list of its
// fields.
func scalar(field reflect.StructField, value reflect.Value, to reader) string {
	switch v := value.Interface().(type) {
	case uuid.UUID:
		return ""
	case ehr.Time:
		return when(v, to.zone)
	case time.Time:
		return moment(v, to.zone)
	case ehr.Coding:
		return coding(v)
	case ehr.Decimal:
		return string(v)
	case ehr.Quantity:
		return quantity(string(v.Value), v.Unit)
	case ehr.Period:
		return periodText(v, to)
	case ehr.Value:
		return valueText(v, "")
	}
	switch value.Kind() {
	case reflect.String:
		return stringText(field, value.String())
	case reflect.Bool:
		return map[bool]string{true: "Yes", false: "No"}[value.Bool()]
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(value.Int(), 10)
	case reflect.Struct:
		return structText(value, to)
	default:
		return ""
	}
}

// stringText returns free text as it is, and a code in words.
func stringText(field reflect.StructField, text string) string {
	switch {
	case field.Tag.Get("format") == "date":
		return date(text)
	case jsonName(field) == "periodUnit" || strings.HasSuffix(jsonName(field), "Unit"):
		return unit(text)
	case field.Tag.Get("enum") != "":
		return words(text)
	}
	return text
}

func structText(value reflect.Value, to reader) string {
	var parts []string
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if !field.IsExported() || value.Field(i).IsZero() {
			continue
		}
		lines := linesOf(field, value.Field(i), to)
		switch {
		case len(lines) == 0:
		case jsonName(field) == "text" || field.Anonymous:
			parts = append(parts, strings.Join(lines, ", "))
		default:
			parts = append(parts, label(jsonName(field))+": "+strings.Join(lines, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func periodText(p ehr.Period, to reader) string {
	switch {
	case p.Start != nil && p.End != nil:
		return when(*p.Start, to.zone) + " to " + when(*p.End, to.zone)
	case p.Start != nil:
		return "from " + when(*p.Start, to.zone)
	case p.End != nil:
		return "until " + when(*p.End, to.zone)
	}
	return ""
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		return field.Name
	}
	return name
}
