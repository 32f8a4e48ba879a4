# SPDX-License-Identifier: Apache-2.0
"""Owns: what the finished root of a box is: what is taken away from it, and what is refused in it by the list of facts that every image
keeps (systemd/facts.toml).
Never: reads the datastore or a running system; every path is below the root that it is given.
Called by: classes/parloir_root.bbclass, tests/layer."""

import os
import re
import stat

# Programs that start others or let somebody in, the tools of packages and fonts, and what greets who logs in. Postinstall scripts ran on the
# build machine; on the box nothing needs them.
TAKEN_AWAY = re.compile(
    r"(usr/)?s?bin/(sh|ash|bash|dash|busybox.*|opkg.*|agetty|getty|login|sulogin|su|passwd|chsh|chfn|newgrp|env|run-postinsts|update-alternatives)"
    r"|(usr/)?lib/systemd/systemd-sulogin-shell|(usr/)?(bin|libexec)/fc-[a-z]+"
    r"|(root|home)/.*|etc/(skel/.*|profile.*|shells|issue.*|motd|busybox.*|update-rc\.d.*|init\.d/.*|rc.\.d/.*)"
)

# A gate or ui that knows a flag of the bench has doors of the bench. (The arbiter's one flag of that kind opens none.) No unit gives one.
BENCH = b"--bench-"
BENCH_PLACES = re.compile(r"usr/libexec/parloir/parloir-(gate|ui)|(usr/lib|etc)/systemd/.*")


def walk(root):
    """Every file, link and node below `root`, relative, in order."""
    for place, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(files + [d for d in directories if os.path.islink(os.path.join(place, d))]):
            yield os.path.relpath(os.path.join(place, name), root)


def take_away(root):
    """Takes away what a box never has, links to it, rights beyond the caller's, shells of accounts. Returns the paths that went."""
    gone = [path for path in walk(root) if TAKEN_AWAY.fullmatch(path)]
    # Applets of a multi-call program that goes.
    gone += [path for path in walk(root) if path not in gone and _ends_at(root, path) in gone]
    for path in gone:
        os.unlink(os.path.join(root, path))
    for path in walk(root):
        whole = os.path.join(root, path)
        mode = os.lstat(whole).st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            os.chmod(whole, stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))
    _lock_accounts(root)
    return gone


def _ends_at(root, path):
    """Where a link ends inside `root`; nothing for what is no link."""
    if not os.path.islink(os.path.join(root, path)):
        return None
    for _ in range(16):
        whole = os.path.join(root, path)
        if not os.path.islink(whole):
            break
        to = os.readlink(whole)
        path = os.path.normpath(to.lstrip("/") if to.startswith("/") else os.path.join(os.path.dirname(path), to))
        # usrmerge: /bin is /usr/bin
        path = re.sub(r"^(s?bin|lib)/", r"usr/\1/", path)
    return path


def _lock_accounts(root):
    """No account has a shell or a password that fits."""
    for name, field, wanted in (("etc/passwd", 6, "/usr/sbin/nologin"), ("etc/shadow", 1, "!*")):
        whole = os.path.join(root, name)
        if os.path.exists(whole):
            with open(whole, encoding="utf-8") as file:
                lines = [line.rstrip("\n").split(":") for line in file]
            with open(whole, "w", encoding="utf-8") as file:
                for parts in lines:
                    parts[field] = wanted
                    file.write(":".join(parts) + "\n")


def facts(path):
    """The list of facts, from its file."""
    import tomllib  # Python 3.11: what builds an image has it; what only parses need not.
    with open(path, "rb") as file:
        return tomllib.load(file)


def pattern(text):
    """A pattern of the list as a regular expression: `*` within a name, `**` across, `{a,b}` one of them."""
    out, depth = "", 0
    for piece in re.findall(r"\*\*|.", text):
        if piece in "{}":
            depth += 1 if piece == "{" else -1
            out += "(" if piece == "{" else ")"
        elif piece == "," and depth:
            out += "|"
        else:
            out += {"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
    return re.compile(out)


def refuse_root(root, listed):
    """What must not be in a root, as sentences. `listed`: the facts."""
    rules = [
        (rule["what"], [pattern(name) for name in rule.get("names", [])], [pattern(path) for path in rule.get("paths", [])],
         int(rule.get("mode", "0"), 8))
        for rule in listed["never"]
    ]
    said = []
    for path in walk(root):
        whole = os.path.join(root, path)
        mode = os.lstat(whole).st_mode
        name = os.path.basename(path)
        for what, names, paths, bits in rules:
            if any(rule.fullmatch(name) for rule in names) or any(rule.fullmatch("/" + path) for rule in paths) or (
                    stat.S_ISREG(mode) and mode & bits):
                said.append(f"/{path}: {what}")
        if stat.S_ISREG(mode) and BENCH_PLACES.fullmatch(path) and _contains(whole, BENCH):
            said.append(f"/{path} has the doors of the bench")
    return said + _accounts(root, listed["users"]["shells"])


def refuse_missing(root, listed):
    """What a root lacks of packages that are not ours, as sentences."""
    paths = ["/" + path for path in walk(root)]
    names = {os.path.basename(path) for path in paths}
    there = names.union(paths)
    return [f"{must['file']} is not there: {must['what']}" for must in listed["must"] if must["file"] not in there]


def _contains(path, word):
    with open(path, "rb") as file:
        return word in file.read()


def _accounts(root, shells):
    """Accounts that could log in: a password that is not locked, or a shell."""
    said = []
    for name, field in (("etc/shadow", 1), ("etc/passwd", 6)):
        whole = os.path.join(root, name)
        if not os.path.exists(whole):
            continue
        with open(whole, encoding="utf-8") as file:
            for parts in (line.rstrip("\n").split(":") for line in file):
                if field == 1 and not parts[1].startswith(("!", "*")):
                    said.append(f"/{name}: {parts[0]} has a password that could fit")
                if field == 6 and parts[6] not in shells:
                    said.append(f"/{name}: {parts[0]} has the shell {parts[6] or '/bin/sh'}")
    return said
