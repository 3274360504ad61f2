package rule

// The reasons for not notifying a person, as stored in deliveries.reason and decisions.reason. They
// are stable, because people query for them.
const (
	// ReasonNoAddress: the person has no device, phone number or email address for the channel.
	ReasonNoAddress = "no_address"
	// ReasonAddressUnverified: the person has an address that is not verified.
	ReasonAddressUnverified = "address_unverified"
	// ReasonSuppressed, followed by hard_bounce, complaint or opted_out: the address gets no more
	// messages.
	ReasonSuppressed = "suppressed:"
	// ReasonPreferenceOff: the person switched the category off on the channel.
	ReasonPreferenceOff = "preference_off"
	// ReasonClinicDefaultOff: the category is off on the channel at the clinic, and the person chose
	// nothing else.
	ReasonClinicDefaultOff = "clinic_default_off"
	// ReasonInstallationDefaultOff: the category is off on the channel in this installation, and
	// neither the person nor the clinic chose anything else.
	ReasonInstallationDefaultOff = "installation_default_off"
	// ReasonChannelNotConfigured: this installation has no provider for the channel.
	ReasonChannelNotConfigured = "channel_not_configured"
	// ReasonDuplicateOf, followed by a rule's name: that rule notifies the person on this channel.
	ReasonDuplicateOf = "duplicate_of:"
	// ReasonTooLate: the event is older than the rule's ttl; the notification is in the inbox. Or the
	// time of a schedule had passed when the event was planned.
	ReasonTooLate = "too_late"
	// ReasonNoTime: the event has no time in the field that the schedule refers to.
	ReasonNoTime = "no_time"
	// ReasonQuietHours: the message waits for the end of the person's quiet hours.
	ReasonQuietHours = "quiet_hours"
	// ReasonDigest, followed by a rule's name: the message is an item of a digest of that rule.
	ReasonDigest = "digest:"
	// ReasonDailyDigest: the message is an item of the person's daily digest, as they want it.
	ReasonDailyDigest = "digest:daily"
	// ReasonThrottled, followed by a rule's name: the person has had as many messages as the rule's
	// throttle allows, and the message is an item of a digest.
	ReasonThrottled = "throttled:"
	// ReasonUnless: the recipient's unless leaves the person out.
	ReasonUnless = "unless"
	// ReasonConditionFailed: when could not be evaluated on this event, so the rule notifies no one.
	ReasonConditionFailed = "condition_failed"
	// ReasonConditionIgnored: the when of a rule of the priority critical, or an unless, could not
	// be evaluated on this event, and the rule notifies as without it.
	ReasonConditionIgnored = "condition_ignored"
	// ReasonUserDisabled: the person's account is disabled.
	ReasonUserDisabled = "user_disabled"
	// ReasonDeceased: the person has died.
	ReasonDeceased = "deceased"
	// ReasonUnknownUser: no person has this id.
	ReasonUnknownUser = "unknown_user"
	// ReasonNobodyNamed: the event's field is empty, or its actor is a program.
	ReasonNobodyNamed = "nobody_named"
	// ReasonNobodyInRole: nobody holds any of the rule's roles at the event's clinic.
	ReasonNobodyInRole = "nobody_in_role"
	// ReasonNobodyOnCareTeam: nobody on the person's care team holds any of the rule's roles at the
	// event's clinic.
	ReasonNobodyOnCareTeam = "nobody_on_care_team"
	// ReasonNoClinic: the rule names a role or a care team, but the event belongs to no clinic.
	ReasonNoClinic = "no_clinic"
	// ReasonMayNotRead: the access table does not let the person read the event's subject.
	ReasonMayNotRead = "may_not_read"
	// ReasonNoLongerAtClinic: the person is named by id and holds no role at the event's clinic
	// now.
	ReasonNoLongerAtClinic = "no_longer_at_clinic"
	// ReasonAwaitingReview: the message waits until a clinician has seen the critical finding, or
	// for the clinic's period.
	ReasonAwaitingReview = "awaiting_review"
	// ReasonRetractedBeforeReview: the record was retracted while its patient could not read it
	// yet.
	ReasonRetractedBeforeReview = "retracted_before_review"
	// ReasonFallbackCareTeam: the rule reached no one with a critical event, so the care team is
	// notified.
	ReasonFallbackCareTeam = "fallback_care_team"
	// ReasonFallbackClinicDoctors: the care team was not reached either, so all doctors of the
	// clinic are notified, who may not read the record.
	ReasonFallbackClinicDoctors = "fallback_clinic_doctors"
	// ReasonCausedEvent: a step of an escalation notifies a role, and the person caused the event.
	ReasonCausedEvent = "caused_event"
	// ReasonAlreadyNotified: the person has had messages on all channels of the step.
	ReasonAlreadyNotified = "already_notified"
	// ReasonReachedNobody: no doctor of the clinic can be reached either, so operators are alerted.
	ReasonReachedNobody = "reached_nobody"
)
