package operator

import (
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// maxOSUser is the length in characters to which the name of an operating-system user is cut, so
// that a correlation ID has at most 200 characters.
const maxOSUser = 64

// CommandLine returns the command that one run of the command line acts for. Its actor is
// system:cli, and its correlation ID is "cli:USER:ID" with the name of the operating-system user,
// so that every event of the run names who ran it. USER is "root(ada)" if ada ran it with sudo.
func CommandLine() care.Command {
	return care.Command{
		Actor:         care.SystemActor("cli"),
		CorrelationID: "cli:" + osUser(os.Getuid(), os.Getenv("SUDO_USER")) + ":" + uuid.NewString(),
		Client:        care.Client{Agent: care.AgentCLI},
	}
}

// osUser returns the name of the user that the process runs as. It does not trust $USER, which the
// user can set; a container without /etc/passwd has no names, and the result is then "uid-65532".
func osUser(uid int, sudo string) string {
	name := "uid-" + strconv.Itoa(uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	if sudo != "" && sudo != name {
		return plainName(name) + "(" + plainName(sudo) + ")"
	}
	return plainName(name)
}

// plainName replaces characters that a user name of POSIX (the portable file name character set)
// does not have, except those of a Windows domain account.
func plainName(name string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-@$\\", r):
			return r
		}
		return '_'
	}, name)
	return plain[:min(len(plain), maxOSUser)]
}
