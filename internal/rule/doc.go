// Package rule says whom an event is to be told to, on which channels and how urgently. A rule set is YAML; Parse checks
// all of it before anything uses it, and refuses it whole with every error it has. Set.Match gives the rules that apply to
// one event, Resolve what they come to: who is told on which channel, who is not, and why.
//
// The package is pure: it reads no database, no clock and no file, so that the same set gives the same answer for the
// same event and people, always. Who holds a role, which address is good and what a person switched off is dispatch's to
// find out; tests say it through ruletest.
//
// A set looks like this:
//
//	rules:
//	  - name: prescription-to-patient      # unique; a-z, 0-9 and -
//	    on: ehr.prescription.created       # a pattern: * is one segment, ** any number
//	    when: data.status == 'active'      # CEL over event and data; absent: always
//	    recipients:
//	      - user: data.userId              # the person a field of the data names
//	      - careTeam: [doctor, nurse]      # who is on the care team of the event's person at its clinic, in one of the roles
//	        unless: recipient.id == event.actorid
//	      - role: [receptionist]           # everybody who holds a role at the event's clinic
//	      - actor: true                    # who caused the event, where that is a person
//	    channels: [push, email]
//	    fallback: [sms]                    # tried in order, for each channel that cannot be used
//	    priority: high                     # critical, high, normal (the default) or bulk
//	    category: clinical                 # what a preference switches off; the default is the event type's
//	    template: clinical                 # the default is the category's name
//	    imported: true                     # also for events brought in from elsewhere; default false
//	    unverified: true                   # also to an address that is not verified yet; default false
//
// In CEL, event has id, type, source, subject, time (a timestamp), clinicid, personid, actorid, actorrole, subjectversion
// and imported; what an event does not have is the empty string or 0. data is the event's data. unless sees besides
// recipient.id and recipient.role: the role by which the recipient was found, empty for user and actor.
//
// Nobody is told of what they may not read: Resolve asks the access table about each recipient, by the roles that they hold
// at the event's clinic now. A critical event (ehr.*.critical) that a rule of the priority critical reaches nobody with goes
// to the care team, then to all doctors of the clinic; see Resolve.
//
// Rules never see the types whose catalog entry is not Ruled, not even with **, so that a loop cannot be written.
package rule
