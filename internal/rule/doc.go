// Package rule decides who is notified of an event, on which channels and how urgently. A rule set
// is YAML. Parse checks all of it before it is used, and returns every error of an invalid one.
// Set.Match returns the rules that apply to one event, and Resolve returns the resulting Plan: who
// is notified on which channel, who is not, and why.
//
// The package is pure: it reads no database, no clock and no file, so that the same set always
// returns the same plan for the same event and people. Package dispatch loads the holders of roles,
// the state of addresses and the preferences; tests describe them with ruletest.
//
// A set looks like this:
//
//	rules:
//	  - name: prescription-to-patient      # unique; a-z, 0-9 and -
//	    on: ehr.prescription.created       # a pattern: * is one segment, ** any number
//	    when: data.status == 'active'      # CEL over event and data; absent: always
//	    recipients:
//	      - user: data.userId              # the person a field of the data names
//	      - careTeam: [doctor, nurse]      # members of the person's care team at the clinic, by role
//	        unless: recipient.id == event.actorid
//	      - role: [receptionist]           # everybody who holds a role at the event's clinic
//	      - actor: true                    # who caused the event, where that is a person
//	    channels: [push, email]
//	    fallback: [sms]                    # tried in order, for each channel that cannot be used
//	    priority: high                     # critical, high, normal (the default) or bulk
//	    category: clinical                 # the category for preferences; default: the event type's
//	    template: clinical                 # the default is the category's name
//	    imported: true                     # also for imported events; default false
//	    unverified: true                   # also to an unverified address; default false
//	    ttl: 24h                           # no messages about older events; default 24h, none for high and critical
//
// In CEL, event has id, type, source, subject, time (a timestamp), clinicid, personid, actorid,
// actorrole, subjectversion and imported; a missing value is the empty string or 0. data is the
// event's data. unless also has recipient.id and recipient.role: the role by which the recipient
// was found, empty for user and actor.
//
// A condition that cannot be evaluated never hides a critical finding: the rule of the priority
// critical notifies as if its when were true; another rule notifies no one. An unless that cannot
// be evaluated leaves out nobody. The table in docs/events.md has every case.
//
// People are only notified of records that they may read: Resolve checks the access table for each
// recipient, by the roles that they hold at the event's clinic now. A critical event
// (ehr.*.critical) whose rule of the priority critical reaches no one is sent to the care team,
// then to all doctors of the clinic; see Resolve.
//
// Rules never match types whose catalog entry is not RuleVisible, not even with **, so that no loop
// can be written.
//
// Conditions, their lint and the resolution of recipients are one package because all use the
// unexported compiled condition and the parsed source.
package rule
