package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Field describes one field of a payload in the reference.
type Field struct {
	// Name is the JSON name; the field of an object in a list is "channels[].state".
	Name string
	// Type is "uuid", "string", "integer", "boolean", "list of uuid" or "list of object".
	Type string
	// Required reports whether every event of the type has the field, Nullable whether it may be
	// null.
	Required, Nullable bool
	// Doc is the field's doc tag.
	Doc string
}

// Fields returns the fields of the type's data in order, from the payload's struct and its doc
// tags.
func (d *Declaration) Fields() []Field {
	all := fieldsOf(reflect.TypeOf(d.Payload), "")
	for i, f := range all {
		if _, later := d.Defaults()[f.Name]; later {
			all[i].Required = false
		}
	}
	return all
}

func fieldsOf(typ reflect.Type, prefix string) []Field {
	var all []Field
	for f := range typ.Fields() {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		t := f.Type
		field := Field{Name: prefix + name, Required: !strings.Contains(opts, "omitempty"), Doc: f.Tag.Get("doc")}
		if t.Kind() == reflect.Pointer {
			t, field.Nullable = t.Elem(), field.Required
		}
		field.Type = typeName(t)
		all = append(all, field)
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
			all = append(all, fieldsOf(t.Elem(), prefix+name+"[].")...)
		}
	}
	return all
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[uuid.UUID]():
		return "uuid"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Struct:
		return "object"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.String:
		return "string"
	default:
		return "integer"
	}
}

// exampleIDs is the form of the ids in examples. A name has the same id everywhere.
const exampleIDs = "019ceab1-9d40-7%03x-8a9b-0c1d2e3f4a5b"

// Example returns an event of the type as it might be in the ledger, for the reference. Every field
// of its payload is set, from the example tags. It panics on a type that is not in the catalog,
// which is a bug in the program.
func Example(typ string) Event {
	d, ok := Lookup(typ)
	if !ok {
		panic("event type " + typ + " is not in the catalog")
	}
	payload := reflect.New(reflect.TypeOf(d.Payload)).Elem()
	fillExample(payload, "", "")
	data, err := json.Marshal(payload.Interface())
	if err != nil {
		panic(err) // A payload has ids, texts and numbers: it always marshals.
	}
	e := Event{
		Position: 1042, ID: exampleID("event"), Type: typ, Source: Source, Subject: exampleSubject(typ),
		Time: time.Date(2026, 3, 14, 9, 30, 0, 123456000, time.UTC), Data: data,
		ActorID: exampleID("doctorId").String(), ActorRole: "doctor", CorrelationID: new("K5V3Q7N2XJ4M6P8RTWYA9BCDEF"),
	}
	for _, f := range d.Fields() {
		switch f.Name {
		case "userId":
			e.PersonID = new(exampleID(f.Name))
		case "clinicId":
			e.ClinicID = new(exampleID(f.Name))
		case "version":
			e.SubjectVersion = new(int64(1))
		}
	}
	return e
}

// exampleSubject returns a subject for an event of the type: a lab_report for
// "ehr.lab_report.created", an invoice for "billing.invoice_issued".
func exampleSubject(typ string) string {
	kind, rest, _ := strings.Cut(typ, ".")
	field := kind
	switch kind {
	case "ehr":
		kind, _, _ = strings.Cut(rest, ".")
		field = "record"
	case "record", "access":
		kind, field = "lab_report", "record"
	case "audit":
		kind, field = "user", "doctor"
	case "billing":
		kind, field = "invoice", "invoice"
	case "chat":
		kind, field = "message", "message"
	case "doctor":
		kind, field = "doctor_hours", "doctorHours"
		if strings.HasPrefix(rest, "absence") {
			kind, field = "absence", "absence"
		}
	case "visit_type":
		field = "visitType"
	case "clinic":
		kind, field = "clinic_settings", "clinic"
		switch rest {
		case "critical_limits_changed":
			kind = "critical_limits"
		case "brand_changed":
			kind = "clinic_brand"
		case "notification_defaults_changed":
			kind = "notification_defaults"
		}
	case "rules", "templates":
		return kind + "/live"
	}
	return kind + "/" + exampleID(field+"Id").String()
}

func fillExample(v reflect.Value, name, example string) {
	if v.Type() == reflect.TypeFor[uuid.UUID]() {
		v.Set(reflect.ValueOf(exampleID(name)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for f, field := range v.Fields() {
			jsonName, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fillExample(field, jsonName, f.Tag.Get("example"))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillExample(v.Elem(), name, example)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillExample(v.Index(0), strings.TrimSuffix(name, "s"), example)
	case reflect.String:
		v.SetString(example)
	case reflect.Bool:
		v.SetBool(example == "true")
	default:
		n, _ := strconv.ParseInt(example, 10, 64)
		v.SetInt(n)
	}
}

// exampleID returns the id of a name in every example.
func exampleID(name string) uuid.UUID {
	sum := 0
	for _, r := range name {
		sum = (sum*31 + int(r)) % 4096
	}
	return uuid.MustParse(fmt.Sprintf(exampleIDs, sum))
}

// FormatOf returns the format of a text in the type's data: date-time (RFC 3339), date (2006-01-02),
// or "" for another one and for an unknown field.
func FormatOf(d *Declaration, field string) string {
	for f := range reflect.TypeOf(d.Payload).Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == field {
			return f.Tag.Get("format")
		}
	}
	return ""
}
