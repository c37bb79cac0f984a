"""The stand-in for nixpkgs accepts, refuses and merges as the real one is known to.

With NIXPKGS_LIB set to a real nixpkgs/lib the same cases hold that one to account.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.nix import STAND_IN, Nix, NixError, nixpkgs_tree

pytestmark = pytest.mark.needs("nix")

# What every case sees. `eval` gives the config of some modules, `merged` the value of an option
# `o` of a type with these definitions, each from a module of its own.
SCOPE = r"""
let
  nixpkgs = (import TREE/flake.nix).outputs { self = null; };
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.x86_64-linux;
  utils = import TREE/nixos/utils.nix { inherit lib; };
  stub = name: "/nix/store/00000000000000000000000000000000-${name}";
  eval = modules: (lib.evalModules { inherit modules; }).config;
  declare = type: { options.o = lib.mkOption { inherit type; }; };
  merged = type: values: (eval ([ (declare type) ] ++ map (o: { inherit o; }) values)).o;
  nixos = module: (lib.nixosSystem { system = "x86_64-linux"; modules = [ module ]; }).config;
  toplevel = module: (nixos module).system.build.toplevel.drvPath;
  unit = name: module: (nixos module).systemd.units.${name};
  service = config: (unit "s.service" { systemd.services.s = config; }).text;
  lines = text: lib.filter (l: !lib.hasPrefix "Environment=" l) (lib.splitString "\n" text);
in
with lib;
with types;
"""


def cases(table: str) -> dict[str, tuple[str, str]]:
    """Name -> expression and what it must be (`= expression`) or say when refused (`! text`)."""
    found = {}
    for block in table.strip().split("\n\n"):
        name, _, rest = block.removeprefix("# ").partition("\n")
        split = min(index for mark in "=!" if (index := rest.find(f"\n{mark} ")) >= 0)
        found[name] = (rest[:split], rest[split + 3 :].replace("\n! ", "\n"))
    return found


MODULES = cases(r"""
# shorthand and long form
eval [ (declare int) { o = 1; } { config.o = 1; } ]
= { o = 1; }

# a definition wins over the default
eval [ { options.a = mkOption { default = 1; type = int; }; } { a = 2; } ]
= { a = 2; }

# mkDefault yields, mkForce wins
merged int [ (mkDefault 1) 2 (mkForce 3) (mkOverride 60 4) ]
= 3

# mkIf keeps and drops
merged int [ (mkIf true 1) (mkIf false 2) ]
= 1

# attrsOf drops a name under mkIf false
merged (attrsOf int) [ { a = mkIf false 1; b = 2; } ]
= { b = 2; }

# lazyAttrsOf keeps a name under mkIf false
(merged (lazyAttrsOf int) [ { a = mkIf false 1; } ]) ? a
= true

# lazyAttrsOf gives the empty value
merged (lazyAttrsOf (nullOr int)) [ { a = mkIf false 1; } ]
= { a = null; }

# lists of later modules come first
merged (listOf int) [ [ 1 ] [ 2 ] ]
= [ 2 1 ]

# lists of an import come first
eval [ { imports = [ { o = [ 1 ]; } ]; o = [ 2 ]; } (declare (listOf int)) ]
= { o = [ 1 2 ]; }

# mkBefore, mkAfter and mkOrder sort
merged (listOf int) [ (mkAfter [ 4 ]) [ 3 ] (mkBefore [ 2 ]) (mkOrder 1 [ 1 ]) ]
= [ 1 2 3 4 ]

# mkMerge keeps its order
merged (listOf int) [ (mkMerge [ [ 1 ] [ 2 ] ]) ]
= [ 1 2 ]

# mkMerge around a module's options
eval [ (declare (listOf int)) { config = mkMerge [ { o = [ 1 ]; } { o = [ 2 ]; } ]; } ]
= { o = [ 1 2 ]; }

# mkForce around a module's options
eval [ (declare int) { o = 1; } { config = mkForce { o = 2; }; } ]
= { o = 2; }

# mkIf as a whole module
eval [ (declare int) (mkIf true { o = 1; }) ]
= { o = 1; }

# mkMerge from a function module
eval [ (declare int) ({ ... }: mkMerge [ { o = 1; } ]) ]
= { o = 1; }

# mkIf may depend on config
eval [ { options.a = mkOption { type = bool; default = true; }; } (declare int)
({ config, ... }: mkIf config.a { o = 1; }) ]
= { a = true; o = 1; }

# a key is loaded once
let m = { key = "m"; o = [ 1 ]; }; in eval [ (declare (listOf int)) m m ]
= { o = [ 1 ]; }

# arguments from _module.args
eval [ (declare int) { _module.args.x = 5; } ({ x, ... }: { o = x; }) ]
= { o = 5; }

# imports may depend on specialArgs
(evalModules { specialArgs.m = { o = 1; };
modules = [ (declare int) ({ m, ... }: { imports = [ m ]; }) ]; }).config
= { o = 1; }

# apply
eval [ { options.a = mkOption { type = int; apply = toString; }; } { a = 1; } ]
= { a = "1"; }

# read-only options are set once
eval [ { options.a = mkOption { type = int; readOnly = true; }; } { a = 1; } ]
= { a = 1; }

# a freeform type takes the undeclared
eval [ (declare str // { freeformType = attrsOf int; }) { o = "x"; a = 1; b = mkIf false 2; } ]
= { o = "x"; a = 1; }

# _module.check = false ignores the undeclared
eval [ (declare int) { o = 1; _module.check = false; } { b = 1; } ]
= { o = 1; }

# isDefined and highestPrio of options
let inherit (evalModules { modules = [ (declare int) ]; }) options;
in [ options.o.isDefined (toString options.o) ]
= [ false "o" ]

# enums declared twice add up
eval [ (declare (enum [ "a" ])) (declare (enum [ "b" ])) { o = "b"; } ]
= { o = "b"; }

# submodules declared twice add up
let part = name: declare (attrsOf (submodule { options.${name} = mkOption {
default = 1; }; })); in eval [ (part "a") (part "b") { o.x = { }; } ]
= { o = { x = { a = 1; b = 1; }; }; }
""")
SUBMODULES = cases(r"""
# name and config
merged (attrsOf (submodule ({ name, config, ... }: { options = {
a = mkOption { default = name; }; b = mkOption { default = config.a; }; }; }))) [ { x = { }; } ]
= { x = { a = "x"; b = "x"; }; }

# nested, each with its own name
let sub = inner: attrsOf (submodule ({ name, ... }: { options = {
n = mkOption { default = name; }; } // inner; })); in
merged (sub { i = mkOption { type = sub { }; }; }) [ { x.i.y = { }; } ]
= { x = { n = "x"; i = { y = { n = "y"; }; }; }; }

# an option called config
merged (submodule { options.config = mkOption { type = str; }; }) [ { config = "x"; } ]
= { config = "x"; }

# options called config and options
merged (submodule { options = { config = mkOption { type = int; };
options = mkOption { type = int; }; }; }) [ { config = 1; options = 2; } ]
= { config = 1; options = 2; }

# submoduleWith takes a module
merged (submoduleWith { modules = [ { options.a = mkOption { }; } ]; })
[ { options.b = mkOption { default = 2; }; config.a = 1; } ]
= { a = 1; b = 2; }

# a value may be a function
merged (submodule { options.a = mkOption { }; options.b = mkOption { }; })
[ ({ config, ... }: { a = 1; b = config.a; }) ]
= { a = 1; b = 1; }

# definitions meet, mkForce inside
merged (attrsOf (submodule { options.a = mkOption { type = int; }; }))
[ { x.a = 1; } { x.a = mkForce 2; } { y.a = 3; } ]
= { x = { a = 2; }; y = { a = 3; }; }

# mkForce around drops the other names
merged (attrsOf (submodule { options.a = mkOption { type = int; }; }))
[ { x.a = 1; } (mkForce { y.a = 2; }) ]
= { y = { a = 2; }; }

# mkMerge around a submodule turns its lists round
merged (submodule { options.a = mkOption { type = listOf int; }; })
[ (mkMerge [ { a = [ 1 ]; } { a = [ 2 ]; } ]) ]
= { a = [ 2 1 ]; }

# lists of submodules from two modules keep the modules' order
merged (submodule { options.a = mkOption { type = listOf int; }; })
[ { a = [ 1 ]; } { a = [ 2 ]; } ]
= { a = [ 1 2 ]; }

# addCheck around submodules is lost
merged (addCheck (attrsOf (submodule { })) (x: false)) [ { x = { }; } ]
= { x = { }; }

# freeform submodule
merged (submodule { freeformType = attrsOf int; options.a = mkOption { default = 1; }; })
[ { "b.c" = 2; } ]
= { a = 1; "b.c" = 2; }
""")
TYPES = cases(r"""
# equal definitions merge
merged str [ "a" "a" ]
= "a"

# lines
merged (attrsOf types.lines) [ { a = "2"; } { a = "1"; } ]
= { a = "1\n2"; }

# separatedString
merged (separatedString ",") [ "b" "a" ]
= "a,b"

# singleLineStr drops its newline
merged singleLineStr [ "a\n" ]
= "a"

# either of two
merged (either int (listOf int)) [ [ 2 ] [ 1 ] ]
= [ 1 2 ]

# oneOf
merged (listOf (oneOf [ int str bool ])) [ [ 1 "a" true ] ]
= [ 1 "a" true ]

# nullOr
[ (merged (nullOr int) [ null null ]) (merged (nullOr int) [ 1 ]) ]
= [ null 1 ]

# attrs join at the top only
merged attrs [ { a.x = 1; } { a.y = 2; b = 3; } ]
= { a = { x = 1; }; b = 3; }

# anything joins to the end
merged anything [ { a.x = 1; } { a.y = mkDefault 2; b = mkIf false 3; } ]
= { a = { x = 1; y = 2; }; }

# unspecified lists add up
merged unspecified [ [ 2 ] [ 1 ] ]
= [ 1 2 ]

# raw is not looked into
(merged raw [ { a = mkIf false 1; } ]).a._type
= "if"

# package
(merged package [ pkgs.socat ]).pname
= "socat"

# path of a string, a path and a package
map (v: toString (merged types.path [ v ])) [ "/a" /b pkgs.jq ]
= [ "/a" "/b" (stub "jq") ]

# descriptions
map (t: t.description) [ (attrsOf (nullOr port)) (listOf (either str int))
(nonEmptyListOf str) (attrsOf (listOf ints.positive)) (nullOr (enum [ 1 ])) ]
= [
  "attribute set of (null or 16 bit unsigned integer; between 0 and 65535 (both inclusive))"
  "list of (string or signed integer)" "non-empty (list of string)"
  "attribute set of list of (positive integer, meaning >0)" "null or value 1 (singular enum)"
]
""")
FUNCTIONS = cases(r"""
# lists
[ (optional false 1) (optionals true [ 1 ]) (toList 1) (flatten [ 1 [ 2 [ 3 ] ] ])
(imap0 (i: x: i + x) [ 1 1 ]) (unique [ 2 1 2 ]) (last [ 1 2 ]) (concatMap toList [ 1 ]) ]
= [ [ ] [ 1 ] [ 1 ] [ 1 2 3 ] [ 1 2 ] [ 2 1 ] 2 [ 1 ] ]

# attribute sets
[ (mapAttrs' (n: v: nameValuePair (n + v) 1) { a = "b"; }) (genAttrs [ "a" ] id)
(filterAttrs (n: v: v > 1) { a = 1; b = 2; }) (mapAttrsToList (n: v: n) { b = 1; a = 1; })
(recursiveUpdate { a.b = 1; c = 1; } { a.d = 2; c.e = 3; })
(setAttrByPath [ "a" "b" ] 1) (attrByPath [ "a" "b" ] 5 { a = 1; })
(hasAttrByPath [ "a" ] { a = 1; }) (getAttrFromPath [ "a" "b" ] { a.b = 2; })
(optionalAttrs false { a = 1; }) ]
= [
  { ab = 1; } { a = "a"; } { b = 2; } [ "a" "b" ] { a = { b = 1; d = 2; }; c = { e = 3; }; }
  { a = { b = 1; }; } 5 true 2 { }
]

# strings
[ (concatMapStringsSep "-" toString [ 1 2 ]) (optionalString false "a")
(removePrefix "a" "ab") (removeSuffix "b" "ab") (hasSuffix "b" "ab")
(hasPrefix "b" "ab") (hasSuffix "abc" "c") (splitString "." "a.b..c")
(toInt " -12 ") (boolToString true) (escape [ "$" ] "a$b") ]
= [ "1-2" "" "b" "a" true false false [ "a" "b" "" "c" ] (-12) "true" "a\\$b" ]

# escapeShellArg
map escapeShellArg [ "plain-1.2/x" "it's" "" 5 ]
= [ "plain-1.2/x" "'it'\\''s'" "''" "5" ]

# showOption
showOption [ "a" "b.c" "1d" "if" "<name>" "*" ]
= "a.\"b.c\".\"1d\".\"if\".<name>.*"

# functions
[ (pipe 1 [ toString (s: s + "x") ]) (flip (a: b: a - b) 1 3) (const 1 2)
(throwIf false "no" 7) (foldl' (a: b: a + b) 0 [ 1 2 ]) ]
= [ "1x" 2 1 7 3 ]

# programs
[ (getExe pkgs.netcat) (getExe' pkgs.systemd "networkctl") ]
= [
  "${stub "netcat"}/bin/nc"
  "${stub "systemd"}/bin/networkctl"
]

# mkEnableOption and mkPackageOption
let p = mkPackageOption pkgs "jq" { }; n = mkPackageOption pkgs "jq" {
nullable = true; default = null; }; in [ (mkEnableOption "x").description
p.default.name p.defaultText.text p.description n.default n.type.description ]
= [ "Whether to enable x." "jq" "pkgs.jq" "The jq package to use." null "null or package" ]

# JSON takes all that JSON can be, and joins sets
merged (pkgs.formats.json { }).type [ { a = [ 1 "x" null true ]; } { b.c = 1.5; } ]
= { a = [ 1 "x" null true ]; b.c = 1.5; }

# the hash of a text is in its path
[ ((pkgs.writeText "n" "a").outPath == (pkgs.writeText "n" "b").outPath)
((pkgs.formats.json { }).generate "n" { a = 1; }).text ]
= [ false "{\"a\":1}" ]

# escapeSystemdExecArgs
utils.escapeSystemdExecArgs [ "a b" "50%" "$HOME" "q\"\\" 3 pkgs.jq ";" ]
= "\"a b\" \"50%%\" \"$$HOME\" \"q\\\"\\\\\" \"3\" \"${stub "jq"}\" \";\""

# escapeSystemdPath
map utils.escapeSystemdPath [ "/" "/foo//bar/baz/" "/a-b" "/.x" "/a@b c" "/var/lib/ü" ]
= [ "-" "foo-bar-baz" "a\\x2db" "\\x2ex" "a\\x40b\\x20c" "var-lib-ü" ]
""")
NIXOS = cases(r"""
# a service, line by line
lines (service { description = "S"; after = [ "a.target" "b.target" ];
wantedBy = [ "c.target" ]; startLimitBurst = 3; startLimitIntervalSec = 0;
unitConfig.ConditionPathExists = [ "/a" "/b" ];
serviceConfig = { ExecStart = "/x"; RestartSec = mkDefault 5; PrivateTmp = true;
DynamicUser = false; BindPaths = [ "/a" "/b" ]; LogExtraFields = [ ]; Nice = null; }; })
= [
  "[Unit]" "After=a.target b.target" "ConditionPathExists=/a" "ConditionPathExists=/b"
  "Description=S" "StartLimitBurst=3" "StartLimitIntervalSec=0" "" "[Service]" "BindPaths=/a"
  "BindPaths=/b" "DynamicUser=false" "ExecStart=/x" "Nice=" "PrivateTmp=true" "RestartSec=5" ""
]

# environment: quoted, null left out, NixOS's own added
let text = service { path = [ pkgs.jq "/opt" ];
environment = { A = "b \"c\" %"; N = null; P = pkgs.jq; }; };
set = filter (hasPrefix "Environment=") (splitString "\n" text);
in map (l: head (splitString "/bin:" l)) set
= [
  "Environment=\"A=b \\\"c\\\" %\""
  "Environment=\"LOCALE_ARCHIVE=${stub "glibcLocales"}/lib/locale/locale-archive\""
  "Environment=\"P=${stub "jq"}\""
  "Environment=\"PATH=${stub "jq"}"
  "Environment=\"TZDIR=${stub "tzdata"}/share/zoneinfo\""
]

# lists add up, with single values too
lines (service { serviceConfig = mkMerge [ { ExecStartPre = [ "/a" ]; }
{ ExecStartPre = "/b"; } ]; })
= [ "[Unit]" "" "[Service]" "ExecStartPre=/a" "ExecStartPre=/b" "" ]

# how a switch treats a unit
map (c: elemAt (lines (service c)) 3) [ { reloadIfChanged = true; }
{ restartIfChanged = false; } { stopIfChanged = false; } { notSocketActivated = true; } ]
= [
  "X-ReloadIfChanged=true" "X-RestartIfChanged=false" "X-StopIfChanged=false"
  "X-NotSocketActivated=true"
]

# restartTriggers name their content
let trigger = t: elemAt (lines (service { restartTriggers = [ t ]; })) 1; in
[ (hasPrefix "X-Restart-Triggers=/nix/store/" (trigger "a")) (trigger "a" == trigger "b") ]
= [ true false ]

# script and preStart become programs
map (l: last (splitString "/" l)) (lines (service { script = "a"; scriptArgs = "%i";
preStart = "b"; }))
= [ "[Unit]" "" "[Service]" "s-start %i" "s-pre-start" "" ]

# wantedBy is an attribute of the unit
let u = unit "s@.service" { systemd.services."s@" = { wantedBy = [ "a.target" ];
requiredBy = [ "b.target" ]; aliases = [ "t.service" ]; }; };
in { inherit (u) wantedBy requiredBy aliases enable overrideStrategy; }
= {
  wantedBy = [ "a.target" ]; requiredBy = [ "b.target" ]; aliases = [ "t.service" ];
  enable = true; overrideStrategy = "asDropinIfExists";
}

# a socket and a target
map (n: (unit n { systemd.sockets.s = { listenStreams = [ "80" "/run/s" ];
socketConfig.Accept = false; }; systemd.targets.t.wants = [ "s.socket" ]; }).text)
[ "s.socket" "t.target" ]
= [
  "[Unit]\n\n[Socket]\nAccept=false\n\nListenStream=80\nListenStream=/run/s\n\n"
  "[Unit]\nWants=s.socket\n\n"
]

# etc: target, text and source
let e = (nixos { environment.etc = { "a/b".text = "x"; c = { source = "/s";
mode = "0600"; }; }; }).environment.etc; in
[ e."a/b".target e."a/b".source.text e.c.source e.c.mode e.c.user ]
= [ "a/b" "x" "/s" "0600" "+0" ]

# firewall ports are sorted, lo is trusted
let f = (nixos { networking.firewall = { allowedTCPPorts = [ 443 80 443 ];
interfaces.eth0.allowedUDPPorts = [ 53 ]; }; }).networking.firewall; in
[ f.enable f.allowedTCPPorts f.interfaces.eth0.allowedUDPPorts f.trustedInterfaces ]
= [ true [ 80 443 ] [ 53 ] [ "lo" ] ]

# tmpfiles settings
(nixos { systemd.tmpfiles.settings.x."/d".d.mode = "0700"; }).systemd.tmpfiles.settings.x."/d".d
= { type = "d"; mode = "0700"; user = "-"; group = "-"; age = "-"; argument = ""; }

# sysctl: names with dots, priorities
(nixos { boot.kernel.sysctl = mkMerge [ { "net.ipv4.ip_forward" = mkDefault false; }
{ "net.ipv4.ip_forward" = true; } ]; }).boot.kernel.sysctl
= { "net.ipv4.ip_forward" = true; }

# a normal user has a home
let u = (nixos { users.users.u.isNormalUser = true; }).users.users.u; in
[ u.name u.group u.home u.createHome ]
= [ "u" "users" "/home/u" true ]

# modules get pkgs, lib, utils and modulesPath
(nixos ({ config, options, pkgs, lib, utils, modulesPath, ... }: {
warnings = [ pkgs.stdenv.hostPlatform.system (utils.escapeSystemdExecArg "a")
(lib.boolToString options.system.stateVersion.isDefined) (builtins.typeOf modulesPath)
config.networking.hostName ]; })).warnings
= [ "x86_64-linux" "\"a\"" "true" "string" "nixos" ]

# toplevel is a derivation
hasSuffix "-nixos-system-h-stand-in.drv" (toplevel {
networking.hostName = "h"; systemd.services.s.script = "x";
environment.systemPackages = [ pkgs.jq ]; })
= true
""")
REFUSED = cases(r"""
# undeclared option
eval [ (declare int) { p = 1; } ]
! The option `p' does not exist. Definition values:
! - In `<unknown-file>': 1

# undeclared option, nested
eval [ { options.a.b = mkOption { }; } { a.c = 1; } ]
! The option `a.c' does not exist.

# undeclared option under mkIf false
eval [ (declare int) { o = 1; } (mkIf false { p = 1; }) ]
! The option `p' does not exist.

# undeclared option under mkIf false, nested
eval [ { options.a.b = mkOption { default = 1; }; } { a = mkIf false { c = 1; }; } ]
! The option `a.c' does not exist.

# undeclared option under mkIf false in a submodule
merged (attrsOf (submodule { options.a = mkOption { default = 1; }; }))
[ { x.b = mkIf false 1; } ]
! The option `o.x.b' does not exist.

# imports inside a definition
eval [ (declare int) { config = mkMerge [ { imports = [ ]; } ]; } ]
! The option `imports' does not exist.

# imports in a submodule's value
merged (submodule { options.a = mkOption { default = 1; }; }) [ { imports = [ ]; } ]
! The option `o.imports' does not exist.

# mkMerge as a whole module
eval [ (declare int) (mkMerge [ { o = 1; } ]) ]
! Could not load a value as a module, because it is of type "merge"

# mkMerge as a whole NixOS module
toplevel (mkMerge [ { time.timeZone = null; } ])
! Could not load a value as a module, because it is of type "merge"

# a list among the modules
eval [ [ { } ] ]
! Module imports can't be nested lists.

# a string as what a module returns
eval [ ({ ... }: "x") ]
! does not look like a module.

# config beside shorthand
eval [ (declare int) { config.o = 1; p = 2; } ]
! Module `:anon-2' has an unsupported attribute `p'.
! This is caused by introducing a top-level `config' or `options' attribute.

# no value
eval [ (declare int) ]
! The option `o' was accessed but has no value defined. Try setting the option.

# no value but for mkIf false
merged int [ (mkIf false 1) ]
! The option `o' was accessed but has no value defined. Try setting the option.

# conflict
merged str [ "a" "b" ]
! The option `o' has conflicting definition values:
! - In `<unknown-file>': "b"

# conflict of two mkForce
merged int [ (mkForce 1) (mkForce 2) ]
! The option `o' has conflicting definition values:

# conflict in mkMerge
merged (attrsOf int) [ (mkMerge [ { a = 1; } { a = 2; } ]) ]
! The option `o.a' has conflicting definition values:

# read-only option set over its default
eval [ { options.a = mkOption { type = int; readOnly = true; default = 1; }; } { a = 1; } ]
! The option `a' is read-only, but it's set multiple times.

# declared twice with another type
eval [ (declare int) (declare str) { o = 1; } ]
! The option `o' in `<unknown-file>' is already declared in `<unknown-file>'.

# declared twice with a default
let m = { options.a = mkOption { default = 1; }; }; in eval [ m m ]
! is already declared in

# an option inside an option
eval [ { options.a = mkOption { type = int; }; } { options.a.b = mkOption { }; } ]
! would be a parent of the following options,
! but its type `signed integer' does not support nested options.

# a type in place of an option
eval [ { options.a = int; } ]
! expected an option declaration at option path `a` but got an attribute set with type option-type

# a value in place of a set of options
eval [ { options.a.b = mkOption { default = 1; }; } { a = 5; } ]
! you're trying to define a value of type `int'

# an argument that nobody gives
eval [ (declare int) ({ nope, ... }: { o = nope; }) ]
! attribute 'nope' missing

# mkIf without a boolean
merged int [ (mkIf "yes" 1) ]
! called with a non-Boolean condition

# mkDefault around mkIf
merged int [ (mkDefault (mkIf true 1)) ]
! is not of type

# mkOption with a misspelt attribute
eval [ { options.a = mkOption { defualt = 1; }; } ]
! unexpected argument 'defualt'

# freeform value of a wrong type
eval [ { freeformType = attrsOf int; a = "x"; } ]
! A definition for option `a' is not of type `signed integer'.

# port as a string
merged port [ "80" ]
! A definition for option `o' is not of type
! `16 bit unsigned integer; between 0 and 65535 (both inclusive)'. Definition values:
! - In `<unknown-file>': "80"

# port too high
merged port [ 65536 ]
! not of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'

# port below zero
merged port [ (-1) ]
! not of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'

# u8
merged ints.u8 [ 256 ]
! `8 bit unsigned integer; between 0 and 255

# between
merged (ints.between 1 3) [ 4 ]
! `integer between 1 and 3 (both inclusive)'

# positive
merged ints.positive [ 0 ]
! not of type `positive integer, meaning >0'

# unsigned
merged ints.unsigned [ (-1) ]
! not of type `unsigned integer, meaning >=0'

# int as a boolean
merged bool [ 1 ]
! not of type `boolean'

# list of a wrong entry
merged (listOf int) [ [ 1 "a" ] ]
! A definition for option `o."[definition 1-entry 2]"' is not of type `signed integer'.

# set of a wrong value
merged (attrsOf str) [ { a = 1; } ]
! A definition for option `o.a' is not of type `string'.

# one wrong of two definitions
merged ints.unsigned [ 1 [ ] ]
! is not of type

# empty string
merged nonEmptyStr [ " " ]
! not of type `non-empty string'

# empty list
merged (nonEmptyListOf int) [ [ ] ]
! `non-empty (list of signed integer)'

# strMatching is anchored
merged (strMatching "[a-z]+") [ "ab\n" ]
! not of type `string matching the pattern [a-z]+'

# enum
merged (enum [ "a" "b" ]) [ "c" ]
! not of type `one of "a", "b"'

# two lines
merged singleLineStr [ "a\nb" ]
! single-line string'

# relative path
merged types.path [ "a/b" ]
! A definition for option `o' is not of type

# package as a string
merged package [ "jq" ]
! not of type `package'

# null and not null
merged (nullOr int) [ null 1 ]
! The option `o` is defined both null and not null

# neither of two types
merged (either int str) [ [ ] ]
! `signed integer or string'

# raw twice
merged raw [ 1 1 ]
! The option `o' is defined multiple times

# two packages
merged package [ pkgs.jq pkgs.curl ]
! is defined multiple times

# addCheck
merged (addCheck int (x: x == 1)) [ 2 ]
! not of type `signed integer'

# anything of two kinds
merged anything [ 1 "a" ]
! The option `o' has conflicting option types in

# a submodule that is a list
merged (submodule { }) [ [ ] ]
! not of type `submodule'

# a function in JSON
merged (pkgs.formats.json { }).type [ { a = [ (x: x) ]; } ]
! A definition for option `o.a."[definition 1-entry 1]"' is not of type `JSON value'.

# a package that is not there
pkgs.nosuch.name
! attribute 'nosuch' missing

# mkPackageOption of a missing package
eval [ { options.a = mkPackageOption pkgs "nosuch" { }; } ]
! nosuch cannot be found in pkgs

# getExe' with a path
getExe' pkgs.systemd "../lib/systemd/systemd"
! The second argument "../lib/systemd/systemd" is a nested path

# getExe' of a string
getExe' "/x" "y"
! it should be a derivation instead

# toInt of a padded number
toInt "08"
! Ambiguity in interpretation of "08"

# toInt of a word
toInt "a"
! toInt: Could not convert "a" to int.

# escapeSystemdExecArg of a boolean
utils.escapeSystemdExecArg true
! escapeSystemdExecArg only allows strings, paths, numbers and derivations

# NixOS: a misspelt option
toplevel { networking.firewal.enable = true; }
! The option `networking.firewal' does not exist.

# NixOS: a misspelt option of a unit
toplevel { systemd.services.s.wantedby = [ "a.target" ]; }
! The option `systemd.services.s.wantedby' does not exist.

# NixOS: a value that nothing reads
toplevel { networking.firewall.interfaces.a.allowedUDPPorts = [ "53" ]; }
! is not of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'

# NixOS: a wrong value of ours that nothing reads
toplevel { imports = [ { options.holo.port = mkOption { type = port; }; } ];
config.holo.port = "80"; }
! A definition for option `holo.port' is not of type
! `16 bit unsigned integer; between 0 and 65535 (both inclusive)'

# NixOS: a missing package
toplevel ({ pkgs, ... }: { environment.systemPackages = [ pkgs.nosuch ]; })
! attribute 'nosuch' missing

# NixOS: a failed assertion
toplevel { assertions = [ { assertion = false; message = "not so"; }
{ assertion = true; message = "fine"; } { assertion = false; message = "nor so"; } ]; }
! Failed assertions:
! - not so
! - nor so

# NixOS: a directive given twice
service (mkMerge [ { serviceConfig.User = "a"; } { serviceConfig.User = "b"; } ])
! The option `systemd.services.s.serviceConfig.User' has conflicting definition values:

# NixOS: a directive that the unit's own options give
service { description = "a"; unitConfig.Description = "b"; }
! The option `systemd.services.s.unitConfig.Description' has conflicting definition values:

# NixOS: PATH beside the default path
service { environment.PATH = "/bin"; }
! The option `systemd.services.s.environment.PATH' has conflicting definition values:

# NixOS: a unit's name without suffix
service { after = [ "network" ]; }
! A definition for option `systemd.services.s.after."[definition 1-entry 1]"' is not of type
! `string matching the pattern

# NixOS: an unknown service type
service { serviceConfig.Type = "demon"; }
! A definition for option `systemd.services.s.serviceConfig' is not of type

# NixOS: a number in the environment
service { environment.PORT = 80; }
! A definition for option `systemd.services.s.environment.PORT' is not of type

# NixOS: a description of two lines
service { description = "a\nb"; }
! A definition for option `systemd.services.s.description' is not of type

# NixOS: a file in etc without content
toplevel { environment.etc.a = { }; }
! The option `environment.etc.a.source' was accessed but has no value defined.

# NixOS: a file in etc with two contents
toplevel { environment.etc.a = { text = "x"; source = "/y"; }; }
! The option `environment.etc.a.source' has conflicting definition values:

# NixOS: a host name with a dot
toplevel { networking.hostName = "a.b"; }
! A definition for option `networking.hostName' is not of type

# NixOS: a kernel parameter given twice
toplevel { boot.kernel.sysctl = mkMerge [ { a = 1; } { a = 1; } ]; }
! The option `boot.kernel.sysctl.a' is defined multiple times

# NixOS: a user that is neither kind
toplevel { users.users.u.group = "u"; }
! Exactly one of users.users.u.isSystemUser and users.users.u.isNormalUser must be set.

# NixOS: a system user without a group
toplevel { users.users.u.isSystemUser = true; }
! users.users.u.group is unset.

# NixOS: no platform
(nixpkgs.lib.nixosSystem { modules = [ ]; }).config.system.build.toplevel.drvPath
! nixpkgs.hostPlatform
""")

ACCEPTED = MODULES | SUBMODULES | TYPES | FUNCTIONS | NIXOS


@pytest.fixture(scope="module")
def nix(tmp_path_factory: pytest.TempPathFactory) -> Nix:
    return Nix(tmp_path_factory.mktemp("nix"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nixpkgs_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def evaluate(nix: Nix, tree: Path) -> Callable[[str], Any]:
    """Evaluates one expression in SCOPE."""
    scope = SCOPE.replace("TREE", str(tree))
    return lambda expression: nix.eval_json(scope + expression)


@pytest.fixture(scope="module")
def answers(evaluate: Callable[[str], Any]) -> dict[str, dict[str, Any]]:
    """For each case of ACCEPTED { success, value, expected }, all from one process."""
    rows = (
        f"(builtins.tryEval (let v = {expression}; in builtins.deepSeq v v)"
        f" // {{ expected = {expected}; }})"
        for expression, expected in ACCEPTED.values()
    )
    return dict(zip(ACCEPTED, evaluate(f"[ {' '.join(rows)} ]"), strict=True))


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_nixpkgs_accepts_has_its_value(
    case: str, answers: dict[str, dict[str, Any]], evaluate: Callable[[str], Any]
) -> None:
    answer = answers[case]
    # What threw is evaluated again by itself: Nix's message is then this test's.
    value = answer["value"] if answer["success"] else evaluate(ACCEPTED[case][0])
    assert value == answer["expected"]


@pytest.mark.parametrize("case", REFUSED)
def test_what_nixpkgs_refuses_is_refused_in_its_words(
    case: str, evaluate: Callable[[str], Any]
) -> None:
    expression, message = REFUSED[case]
    with pytest.raises(NixError) as caught:
        evaluate(expression)
    # Nix indents what it quotes.
    assert " ".join(message.split()) in " ".join(caught.value.stderr.split())


FLAKE = """\
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05";
  outputs = { self, nixpkgs }: {
    nixosConfigurations.host = nixpkgs.lib.nixosSystem { modules = [ ./host.nix ]; };
    package = nixpkgs.legacyPackages.aarch64-linux.socat;
  };
}
"""
TOPLEVEL = "nixosConfigurations.host.config.system.build.toplevel.drvPath"


def test_a_flake_evaluates_with_the_stand_in_as_nixpkgs(
    nix: Nix, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "flake.nix").write_text(FLAKE)
    host = tmp_path / "host.nix"
    host.write_text('{ nixpkgs.hostPlatform = "aarch64-linux"; networking.hostName = "h"; }\n')
    overrides = {"nixpkgs": tree}
    assert nix.flake_eval(tmp_path, TOPLEVEL, overrides).endswith("-nixos-system-h-stand-in.drv")
    assert nix.flake_eval(tmp_path, "package.outPath", overrides).endswith("-socat")
    assert not (tmp_path / "flake.lock").exists()

    host.write_text("{\n  networking.hostname = 1;\n}\n")
    with pytest.raises(NixError, match=r"`networking\.hostname' does not exist") as caught:
        nix.flake_eval(tmp_path, TOPLEVEL, overrides)
    assert "host.nix" in caught.value.stderr


def test_nix_parses_many_files_and_says_what_is_wrong_with_one(nix: Nix, tmp_path: Path) -> None:
    nix.parse(*STAND_IN.rglob("*.nix"))
    broken = tmp_path / "broken.nix"
    broken.write_text("{ a = 1;\n  a = 2; }\n")
    with pytest.raises(NixError, match=r"attribute 'a' already defined") as caught:
        nix.parse(broken)
    assert "broken.nix:2" in caught.value.stderr


def test_nix_evaluates_a_file_and_puts_files_into_its_own_store(nix: Nix, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    source = tmp_path / "file.nix"
    source.write_text('{ a = [ 1 null ]; path = "${./data}"; }\n')
    value = nix.eval_json(source, store=True)
    assert value["a"] == [1, None]
    assert value["path"].startswith(nix.environment["NIX_STORE_DIR"])
