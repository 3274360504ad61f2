package ehr

import (
	"regexp"

	"carewire/internal/care"
)

// ImagingReport is the report of a radiologist: FHIR R4's DiagnosticReport with its ImagingStudy.
type ImagingReport struct {
	Head
	Modalities      []Coding `json:"modalities,omitempty" maxItems:"100" doc:"The modality: a DICOM code, such as CT or MR."`
	BodySites       []Coding `json:"bodySites,omitempty" maxItems:"100"`
	StudyUID        string   `json:"studyUid,omitempty" maxLength:"64" pattern:"^(0|[1-9][0-9]*)(\\.(0|[1-9][0-9]*))*$" doc:"DICOM's Study Instance UID, which identifies the images." example:"1.2.840.99999999.1.59354388.1582528879516"`
	SeriesCount     *int     `json:"seriesCount,omitempty" minimum:"0" maximum:"100000"`
	InstanceCount   *int     `json:"instanceCount,omitempty" minimum:"0" maximum:"1000000" doc:"The number of images."`
	Reasons         []Coding `json:"reasons,omitempty" maxItems:"100" doc:"The clinical question."`
	Findings        string   `json:"findings,omitempty" maxLength:"50000"`
	Conclusion      string   `json:"conclusion,omitempty" maxLength:"10000"`
	ConclusionCodes []Coding `json:"conclusionCodes,omitempty" maxItems:"100" doc:"The coded conclusion: SNOMED CT."`
}

// Kind implements Body.
func (*ImagingReport) Kind() Spec {
	return Spec{
		Name: "imaging_report", Path: "imaging-reports", Transitions: reportTransitions, Released: reportReleased, Corrected: reportReleased[1:],
		Example: `{"status": "final", "code": {"system": "http://loinc.org", "code": "36643-5", "display": "XR Chest 2 Views"},
			"effectiveAt": "2026-03-14T09:30:00Z", "studyUid": "1.2.840.99999999.1.59354388.1582528879516", "seriesCount": 1, "instanceCount": 2,
			"modalities": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DX", "display": "Digital Radiography"}],
			"bodySites": [{"system": "http://snomed.info/sct", "code": "51185008", "display": "Thoracic structure"}],
			"conclusion": "No acute cardiopulmonary abnormality."}`,
	}
}

// dicomUID matches a DICOM unique identifier (PS3.5, section 9.1), which has at most 64 characters.
var dicomUID = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$`)

// Validate implements Body.
func (r *ImagingReport) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	eachCode(&errs, "modalities", r.Modalities)
	eachCode(&errs, "bodySites", r.BodySites)
	if r.StudyUID != "" && (len(r.StudyUID) > 64 || !dicomUID.MatchString(r.StudyUID)) {
		errs.Add("studyUid", "must be a DICOM UID: numbers separated by points, at most 64 characters, without the prefix urn:oid:")
	}
	if r.SeriesCount != nil && (*r.SeriesCount < 0 || *r.SeriesCount > 100_000) {
		errs.Add("seriesCount", "must be 0 to 100000")
	}
	if r.InstanceCount != nil && (*r.InstanceCount < 0 || *r.InstanceCount > 1_000_000) {
		errs.Add("instanceCount", "must be 0 to 1000000")
	}
	eachCode(&errs, "reasons", r.Reasons)
	errs.Text("findings", r.Findings, 0, 50_000)
	errs.Text("conclusion", r.Conclusion, 0, noteLength)
	eachCode(&errs, "conclusionCodes", r.ConclusionCodes)
	return errs.Err()
}
