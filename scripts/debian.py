"""Debian packages of another release or architecture, got and unpacked beside this machine's own, never installed.

What scripts/fetch-riscv and scripts/fetch-vm share. Packages come from the mirror that this machine's own sources
name, checked with Debian's keys; root is not needed.
"""

import os
import pathlib
import re
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Failure(Exception):
    """One line for the user."""


def check_machine():
    """Throws if this is no Debian."""
    for tool, package in (("apt-get", "apt"), ("dpkg", "dpkg")):
        if not shutil.which(tool):
            raise Failure(f"{tool} is missing (package {package}): this works on Debian and its derivatives only")
    if not os.path.exists(KEYRING):
        raise Failure(f"{KEYRING} is missing: apt-get install debian-archive-keyring")


def codename():
    """The release of this machine, e.g. "bookworm"."""
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    raise Failure("/etc/os-release names no VERSION_CODENAME: this works on Debian and its derivatives only")


def own_sources():
    """What this machine takes its Debian from: suite -> URI, e.g. "bookworm-security"."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"],
        capture_output=True, text=True, check=True,
    )
    sources = {}
    for line in listing.stdout.splitlines():
        release, component, *uri = line.split()
        if component == "main" and uri:
            sources.setdefault(release, uri[0].rstrip("/"))
    return sources


def mirror():
    """Where this machine takes its Debian from."""
    release = codename()
    uri = own_sources().get(release)
    if not uri:
        raise Failure(f"no source of Debian's release '{release}' (component main) among this machine's apt sources")
    return uri


class Apt:
    """apt-get and apt-cache for other releases or another architecture, apart from the machine's own."""

    def __init__(self, folder, suites, architecture):
        """`folder`: for state, cache and sources. `suites`: (URI, suite), all of component main."""
        self.folder = folder
        self.suites = ", ".join(suite for _, suite in suites)
        self.architecture = architecture
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").touch()
        self.sources = folder / "etc/debian.sources"
        self.sources.write_text("\n".join(
            f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n"
            f"Architectures: {architecture}\nSigned-By: {KEYRING}\n"
            for uri, suite in suites
        ))

    def _run(self, tool, *arguments, quiet=True, cwd=None):
        options = {
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "state/status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.sources,
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferencesparts": "-",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "60",
        }
        command = [tool, *(f"-o{key}={value}" for key, value in options.items()), *arguments]
        result = subprocess.run(command, text=True, cwd=cwd, stderr=subprocess.PIPE,
                                stdout=subprocess.PIPE if quiet else None)
        errors = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        if result.returncode or errors:
            raise Failure(f"'{tool} {arguments[0]}' failed: " + ("; ".join(errors) or result.stderr.strip()))
        return result.stdout

    def update(self):
        self._run("apt-get", "update", "-q", "--error-on=any")

    def show(self, package):
        """The fields of a package's newest version."""
        try:
            text = self._run("apt-cache", "show", "--no-all-versions", package)
        except Failure:
            text = ""
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", text, re.MULTILINE))
        if "Filename" not in fields:
            raise Failure(f"{self.suites} has no package '{package}' for {self.architecture}")
        return fields

    def depends_on(self, package, pattern):
        """The package that a meta package stands for: the first of its dependencies that matches."""
        depends = self.show(package).get("Depends", "")
        found = re.search(pattern, depends)
        if not found:
            raise Failure(f"{package} depends on nothing like '{pattern}': '{depends}'")
        return found.group()

    def download_closure(self, package, suite):
        """Gets a package, of `suite` where it has it, and all that it depends on; gives the archives' paths."""
        self._run("apt-get", "install", "-q", "-y", "--no-install-recommends", "--download-only", "-t", suite, package)
        return sorted((self.folder / "cache/archives").glob("*.deb"))

    def download(self, package, into):
        """Gets one package, without what it depends on; gives the archive's path."""
        self._run("apt-get", "download", "-q", package, quiet=False, cwd=into)
        name = package.split("/")[0].split("=")[0]
        return next(into.glob(f"{name}_*.deb"))


def unpack(archive, into):
    subprocess.run(["dpkg", "-x", archive, into], check=True)
