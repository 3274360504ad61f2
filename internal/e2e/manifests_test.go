package e2e_test

import (
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/config"
)

// settings returns the names of all settings.
func settings() []string {
	var names []string
	for f := range reflect.TypeFor[config.Config]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// requireSettings asserts that each name is a setting, or a variable of the AWS SDK.
func requireSettings(t *testing.T, where string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.True(t, slices.Contains(settings(), name) || strings.HasPrefix(name, "AWS_") || name == "POD_IP", "%s: unknown setting %s", where, name)
	}
}

// validSettings returns the settings of the environment, after validation. Files of secrets have
// plausible values.
func validSettings(t *testing.T, env map[string]string, roles []string) config.Config {
	t.Helper()
	c := config.Config{
		Addr: "0.0.0.0:8080", DataDir: ".carewire", RateLimit: 500, SocketsPerPerson: 50, MaxConns: 32, OIDCAudience: "carewire", LogLevel: "info", LogFormat: "json",
		ShutdownTimeout: 20 * time.Second, Roles: roles,
	}
	v := reflect.ValueOf(&c).Elem()
	for f := range v.Type().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		value, ok := env[name]
		if file := env[name+"_FILE"]; file != "" {
			value, ok = "postgres://carewire@db.example/carewire?sslmode=verify-full", true
		}
		if !ok || strings.HasSuffix(name, "_FILE") {
			continue
		}
		switch field := v.FieldByIndex(f.Index); field.Interface().(type) {
		case string:
			field.SetString(value)
		case []string:
			field.Set(reflect.ValueOf(strings.Split(value, ",")))
		case *time.Duration:
			d, err := time.ParseDuration(value)
			require.NoError(t, err, name)
			field.Set(reflect.ValueOf(&d))
		default:
			require.Fail(t, "the test does not know the type of "+name)
		}
	}
	require.NoError(t, c.Validate())
	return c
}

type service struct {
	Build       struct{ Context, Dockerfile string }
	Image       string
	Command     []string
	Environment map[string]string
	Secrets     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck *struct{ Test []string }
	StopGrace   string `yaml:"stop_grace_period"`
}

func TestCompose_NamesSettingsSecretsAndHealthChecksThatExist(t *testing.T) {
	t.Parallel()
	var file struct {
		Services map[string]service
		Secrets  map[string]struct{ File string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(readText(t, root+"/deploy/compose.yaml")), &file))
	require.ElementsMatch(t, []string{"postgres", "migrate", "carewire"}, slices.Collect(maps.Keys(file.Services)))
	drops := ignored(t)
	for name, s := range file.Services {
		for _, secret := range s.Secrets {
			require.Contains(t, file.Secrets, secret, name)
			require.True(t, drops(path.Join("deploy", file.Secrets[secret].File)), "%s is in the build context", secret)
		}
		for variable, value := range s.Environment {
			if dir, secret := path.Split(value); dir == "/run/secrets/" {
				require.Contains(t, s.Secrets, secret, "%s: %s", name, variable)
			}
		}
		if name == "postgres" {
			require.NotNil(t, s.Healthcheck)
			continue
		}
		require.Equal(t, "deploy/Dockerfile", s.Build.Dockerfile)
		require.FileExists(t, path.Join(root, "deploy", s.Build.Context, s.Build.Dockerfile))
		requireSettings(t, name, slices.Collect(maps.Keys(s.Environment))...)
	}
	require.Equal(t, []string{"migrate"}, file.Services["migrate"].Command)
	require.Equal(t, "service_healthy", file.Services["migrate"].DependsOn["postgres"].Condition)
	serve := file.Services["carewire"]
	require.Equal(t, "service_completed_successfully", serve.DependsOn["migrate"].Condition)
	require.Equal(t, []string{"CMD", "/carewire", "health"}, serve.Healthcheck.Test)

	values := regexp.MustCompile(`\$\{[A-Z_]+(?::[-?]([^}]*))?\}`)
	env := map[string]string{}
	for name, value := range serve.Environment {
		env[name] = values.ReplaceAllString(value, "$1")
	}
	env["CAREWIRE_BASE_URL"], env["CAREWIRE_OIDC_ISSUER"] = "https://care.example", "https://id.example"
	c := validSettings(t, env, config.AllRoles)
	waits, err := time.ParseDuration(serve.StopGrace)
	require.NoError(t, err)
	require.Greater(t, waits, app.StopTime(c))
}

// manifest has the fields of all kinds of manifests that the tests read.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	// StringData has the keys of a Secret.
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Replicas     int
		MinAvailable int `yaml:"minAvailable"`
		Selector     struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
	Containers                    []struct {
		Args    []string
		EnvFrom []struct {
			ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
		} `yaml:"envFrom"`
		Env          []struct{ Name, Value string }
		Ports        []struct{ Name string }
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
		StartupProbe, LivenessProbe, ReadinessProbe struct {
			HTTPGet       struct{ Path, Port string } `yaml:"httpGet"`
			PeriodSeconds int                         `yaml:"periodSeconds"`
		}
	}
	Volumes []struct {
		Name   string
		Secret struct {
			SecretName string `yaml:"secretName"`
		}
	}
}

// manifests returns the manifests of the example by kind and name.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	files, err := filepath.Glob(root + "/deploy/kubernetes/*.yaml")
	require.NoError(t, err)
	all := map[string]manifest{}
	for _, file := range files {
		for document := range strings.SplitSeq(readText(t, file), "\n---\n") {
			// The names of probes are in camel case, which the library does not derive.
			document = strings.NewReplacer("startupProbe:", "startupprobe:", "livenessProbe:", "livenessprobe:", "readinessProbe:", "readinessprobe:").Replace(document)
			var m manifest
			require.NoError(t, yaml.Unmarshal([]byte(document), &m), file)
			require.NotEmpty(t, m.Kind, file)
			all[m.Kind+"/"+m.Metadata.Name] = m
		}
	}
	return all
}

// environment returns the environment of the pod's only container.
func environment(t *testing.T, all map[string]manifest, pod podSpec) map[string]string {
	t.Helper()
	require.Len(t, pod.Containers, 1)
	c := pod.Containers[0]
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		config, ok := all["ConfigMap/"+from.ConfigMapRef.Name]
		require.True(t, ok, "no ConfigMap %s", from.ConfigMapRef.Name)
		maps.Copy(env, config.Data)
	}
	for _, e := range c.Env {
		env[e.Name] = strings.ReplaceAll(e.Value, "$(POD_IP)", "10.0.0.7")
		if strings.HasSuffix(e.Name, "_FILE") {
			requireSecret(t, all, pod, e.Value)
		}
	}
	requireSettings(t, "a pod", slices.Collect(maps.Keys(env))...)
	return env
}

// requireSecret asserts that the file is a key of a secret that is mounted there.
func requireSecret(t *testing.T, all map[string]manifest, pod podSpec, file string) {
	t.Helper()
	for _, mount := range pod.Containers[0].VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name == mount.Name && mount.MountPath == path.Dir(file) {
				require.Contains(t, all["Secret/"+v.Secret.SecretName].StringData, path.Base(file))
				return
			}
		}
	}
	require.Fail(t, "no volume has "+file)
}

func TestKubernetes_PodsHaveValidSettingsAndEveryRole(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	job := all["Job/carewire-migrate"].Spec.Template.Spec
	require.Equal(t, []string{"migrate"}, job.Containers[0].Args)
	require.Equal(t, []string{"DATABASE_URL_FILE"}, slices.Collect(maps.Keys(environment(t, all, job))), "only the job has the owner's login")
	var roles []string
	for _, name := range []string{"carewire-api", "carewire-worker"} {
		pod := all["Deployment/"+name].Spec.Template.Spec
		env := environment(t, all, pod)
		require.NotContains(t, env, "DATABASE_URL_FILE")
		args := pod.Containers[0].Args
		require.Equal(t, []string{"serve", "--roles"}, args[:2])
		own := strings.Split(args[2], ",")
		roles = append(roles, own...)
		c := validSettings(t, env, own)
		require.Greater(t, time.Duration(pod.TerminationGracePeriodSeconds)*time.Second, app.StopTime(c), name)
	}
	require.ElementsMatch(t, config.AllRoles, roles)
}

func TestKubernetes_ProbesAndBudgetsFitTheDeployments(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	all := manifests(t)
	for _, name := range []string{"carewire-api", "carewire-worker"} {
		d := all["Deployment/"+name].Spec
		container := d.Template.Spec.Containers[0]
		require.Equal(t, "http", container.Ports[0].Name)
		for _, probe := range []struct{ is, want string }{
			{container.StartupProbe.HTTPGet.Path, "/livez"},
			{container.LivenessProbe.HTTPGet.Path, "/livez"},
			{container.ReadinessProbe.HTTPGet.Path, "/readyz"},
		} {
			require.Equal(t, probe.want, probe.is, name)
			require.Equal(t, 200, c.do("", "GET", probe.is, nil).status, "%s is a route", probe.is)
		}
		require.Equal(t, d.Selector.MatchLabels, d.Template.Metadata.Labels)
		budget := all["PodDisruptionBudget/"+name].Spec
		require.Equal(t, d.Selector.MatchLabels, budget.Selector.MatchLabels)
		require.Positive(t, budget.MinAvailable)
		require.Greater(t, d.Replicas, budget.MinAvailable, "a node can be drained")
	}
	require.Contains(t, all, "Service/carewire")
}
