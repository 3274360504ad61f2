package postgres

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// uuidCodec encodes and decodes uuid.UUID as its 16 bytes. Without it, pgx uses the type's text
// form, with 23 allocations for each id of an array in both directions.
type uuidCodec struct{ pgtype.UUIDCodec }

// registerUUID makes a connection use uuidCodec, also for arrays.
func registerUUID(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}})
}

// PlanEncode implements pgtype.Codec.
func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case uuid.UUID:
			return uuidEncodePlan{}
		case *uuid.UUID:
			return uuidPointerEncodePlan{}
		}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

// PlanScan implements pgtype.Codec.
func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return uuidScanPlan{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

// DecodeValue implements pgtype.Codec. Rows that are read without a target return uuid.UUID too.
func (c uuidCodec) DecodeValue(m *pgtype.Map, oid uint32, format int16, src []byte) (any, error) {
	if src == nil {
		return nil, nil
	}
	if format == pgtype.BinaryFormatCode {
		return uuid.FromBytes(src)
	}
	return uuid.ParseBytes(src)
}

type uuidEncodePlan struct{}

func (uuidEncodePlan) Encode(value any, buf []byte) ([]byte, error) {
	id, ok := value.(uuid.UUID)
	if !ok {
		return nil, fmt.Errorf("encode %T as uuid", value)
	}
	return append(buf, id[:]...), nil
}

// uuidPointerEncodePlan is the plan of a nullable column.
type uuidPointerEncodePlan struct{}

func (uuidPointerEncodePlan) Encode(value any, buf []byte) ([]byte, error) {
	id, ok := value.(*uuid.UUID)
	if !ok {
		return nil, fmt.Errorf("encode %T as uuid", value)
	}
	if id == nil {
		return nil, nil
	}
	return append(buf, id[:]...), nil
}

type uuidScanPlan struct{}

func (uuidScanPlan) Scan(src []byte, target any) error {
	id, ok := target.(*uuid.UUID)
	if !ok {
		return fmt.Errorf("scan uuid into %T", target)
	}
	if src == nil {
		// pgx does so for every other type; uuid.UUID's own Scan would keep the previous id.
		return fmt.Errorf("cannot scan NULL into %T", target)
	}
	if len(src) != len(id) {
		return fmt.Errorf("scan uuid of %d bytes", len(src))
	}
	copy(id[:], src)
	return nil
}
