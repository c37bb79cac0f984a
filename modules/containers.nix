# Containers of this host, each with its network namespace, by systemd-nspawn.
#
# Made by `just modules` from holo_infra.services.containers; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo;
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  confined = {
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };
  ip = lib.getExe' pkgs.iproute2 "ip";
in
{
  options.holo.containers = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule (
      { config, ... }:
      {
        options = {
          index = lib.mkOption {
            type = lib.types.ints.between 0 99999;
            description = "The container's number on its host: names its network interface, gives its /30.";
          };
          network = lib.mkOption {
            type = lib.types.enum [ "private" "shared" ];
            default = "private";
            description = "Whether it has a network of its own, or the host's.";
          };
          hostAddress = lib.mkOption {
            type = ipv4;
            default = "10.0.${toString (config.index + 85)}.1";
            defaultText = lib.literalExpression "\"10.0.\${toString (config.index + 85)}.1\"";
            description = "The host's address on the container's /30.";
          };
          address = lib.mkOption {
            type = ipv4;
            default = "10.0.${toString (config.index + 85)}.2";
            defaultText = lib.literalExpression "\"10.0.\${toString (config.index + 85)}.2\"";
            description = "The container's address on its /30.";
          };
          system = lib.mkOption {
            type = lib.types.nullOr lib.types.package;
            default = null;
            description = ''
              The NixOS system that it boots. Without one it boots from the host's own `/usr`
              with an empty `/etc`, and runs the units in `/etc/holo/containers/NAME/units`.
            '';
          };
          forwards = lib.mkOption {
            type = lib.types.attrsOf (lib.types.submodule {
              options = {
                engine = lib.mkOption {
                  type = lib.types.enum [ "socat" ];
                  default = "socat";
                  description = "What carries the traffic.";
                };
                protocol = lib.mkOption {
                  type = lib.types.enum [ "tcp" "udp" ];
                  default = "tcp";
                  description = "The transport protocol.";
                };
                bind = lib.mkOption {
                  type = ipv4;
                  default = "127.0.0.1";
                  description = "The host's address to listen on.";
                };
                hostPort = lib.mkOption {
                  type = lib.types.port;
                  description = "The port on the host.";
                };
                innerPort = lib.mkOption {
                  type = lib.types.port;
                  description = "The port on the container's address.";
                };
                probe = lib.mkOption {
                  type = lib.types.strMatching "tcp|none|http:/[A-Za-z0-9._~/?&=-]*";
                  default = "tcp";
                  description = ''
                    When the forward counts as ready: `tcp` once the container's half accepts a
                    connection, `http:PATH` once a GET of PATH through the container's half
                    succeeds, `none` at once.
                  '';
                };
              };
            });
            default = { };
            description = "The ports of the host that lead into it.";
            apply = lib.mapAttrs (
              name: value:
              lib.throwIf (builtins.match "[a-z][a-z0-9]{0,62}" name == null) (
                "holo.containers.<name>.forwards: the name does not match [a-z][a-z0-9]{0,62}: "
                + name
              ) value
            );
          };
          bindMounts = lib.mkOption {
            type = lib.types.attrsOf (lib.types.submodule {
              options = {
                source = lib.mkOption {
                  type = lib.types.strMatching "/[^[:cntrl:]]*";
                  description = "The path on the host.";
                };
                writable = lib.mkOption {
                  type = lib.types.bool;
                  default = false;
                  description = "Whether the container may write to it.";
                };
              };
            });
            default = { };
            description = "Paths of the host that it sees, by their path inside.";
            apply = lib.mapAttrs (
              name: value:
              lib.throwIf (builtins.match "/[^[:cntrl:]]*" name == null) (
                "holo.containers.<name>.bindMounts: the name does not match /[^[:cntrl:]]*: " + name
              ) value
            );
          };
        };
      }
    ));
    default = { };
    description = "Containers of this host.";
    apply = lib.mapAttrs (
      name: value:
      lib.throwIf (builtins.match "[a-z]([a-z0-9-]{0,61}[a-z0-9])?" name == null) (
        "holo.containers: the name does not match [a-z]([a-z0-9-]{0,61}[a-z0-9])?: " + name
      ) value
    );
  };

  config = {
    environment.etc = lib.mkMerge (lib.mapAttrsToList (name: c: {
      "holo/containers/${name}/identity.env".text =
        "HOLO_CONTAINER=${name}\nHOLO_ADDRESS=${if c.network == "private" then c.address else "127.0.0.1"}\n";
    }) cfg.containers);
    systemd.services = lib.mkMerge (lib.mapAttrsToList (
      name: c:
      let
        link = "ve-${toString c.index}";
        namespace = "netns-${name}.service";
        folder = "/etc/holo/containers/${name}";
        state = "holo/containers/${name}";
      in
      {
        "netns-${name}" = lib.mkIf (c.network == "private") {
          description = "Network namespace of container ${name}";
          partOf = [ "container@${name}.service" ];
          unitConfig.StartLimitIntervalSec = 0;
          serviceConfig = lib.mkMerge [
            confined
            {
              Type = "oneshot";
              RemainAfterExit = true;
              ExecStartPre = [
                "-${utils.escapeSystemdExecArgs [ ip "link" "delete" link ]}"
                "-${utils.escapeSystemdExecArgs [ ip "netns" "delete" name ]}"
              ];
              ExecStart = [
                (utils.escapeSystemdExecArgs [ ip "netns" "add" name ])
                (utils.escapeSystemdExecArgs [
                  ip
                  "link"
                  "add"
                  link
                  "type"
                  "veth"
                  "peer"
                  "host0"
                  "netns"
                  name
                ])
                (utils.escapeSystemdExecArgs [
                  ip
                  "address"
                  "add"
                  "${c.hostAddress}/30"
                  "dev"
                  link
                ])
                (utils.escapeSystemdExecArgs [ ip "link" "set" link "up" ])
                (utils.escapeSystemdExecArgs [
                  ip
                  "-n"
                  name
                  "address"
                  "add"
                  "${c.address}/30"
                  "dev"
                  "host0"
                ])
                (utils.escapeSystemdExecArgs [ ip "-n" name "link" "set" "host0" "up" ])
                (utils.escapeSystemdExecArgs [ ip "-n" name "link" "set" "lo" "up" ])
              ];
              ExecStopPost = [
                "-${utils.escapeSystemdExecArgs [ ip "link" "delete" link ]}"
                "-${utils.escapeSystemdExecArgs [ ip "netns" "delete" name ]}"
              ];
              CapabilityBoundingSet = "CAP_NET_ADMIN CAP_SYS_ADMIN";
              DevicePolicy = "closed";
              IPAddressDeny = "any";
              KeyringMode = "private";
              ProtectClock = true;
              ProtectHostname = true;
              RestrictAddressFamilies = "AF_NETLINK";
              RestrictNamespaces = "net mnt";
              SystemCallFilter = "@system-service @mount";
            }
          ];
        };
        "container@${name}" = {
          description = "Container ${name}";
          after = [ "network.target" ] ++ lib.optional (c.network == "private") namespace;
          bindsTo = lib.optional (c.network == "private") namespace;
          wantedBy = [ "multi-user.target" ];
          unitConfig.StartLimitIntervalSec = 0;
          serviceConfig = {
            Type = "notify";
            ExecStart = utils.escapeSystemdExecArgs (
              [
                (lib.getExe' config.systemd.package "systemd-nspawn")
                "--quiet"
                "--keep-unit"
                "--notify-ready=yes"
                "--kill-signal=SIGRTMIN+3"
                "--settings=no"
                "--link-journal=no"
                "--resolv-conf=off"
                "--timezone=off"
                "--machine=${name}"
                "--bind-ro=${folder}/identity.env:/etc/holo/identity.env"
              ]
              ++ lib.optionals (c.network == "private") [
                "--network-namespace-path=/run/netns/${name}"
                "--capability=CAP_NET_ADMIN"
              ]
              ++ lib.mapAttrsToList (
                inside: mount:
                "${if mount.writable then "--bind=" else "--bind-ro="}${lib.replaceStrings [ "\\" ":" ] [ "\\\\" "\\:" ] mount.source}:${lib.replaceStrings [ "\\" ":" ] [ "\\\\" "\\:" ] inside}"
              ) c.bindMounts
              ++ lib.optionals (c.system != null) [
                "--directory=/var/lib/${state}"
                "--bind-ro=/nix/store"
                "${c.system}/init"
              ]
              ++ lib.optionals (!(c.system != null)) [
                "--directory=/"
                "--volatile=yes"
                "--boot"
                "--bind-ro=${folder}/units:/etc/systemd/system"
                "--bind-ro=${folder}/presets:/etc/systemd/system-preset"
                "systemd.firstboot=off"
              ]
            );
            StateDirectory = [ state "${state}/usr" ];
            StateDirectoryMode = "0755";
            KillMode = "mixed";
            Restart = "on-failure";
            RestartSec = 2;
            RestartForceExitStatus = 133;
            SuccessExitStatus = 133;
            TimeoutStartSec = 300;
            Delegate = true;
            Slice = "machine.slice";
            DevicePolicy = "closed";
            DeviceAllow = [ "char-pts rw" "/dev/net/tun rwm" ];
          };
        };
      }
    ) cfg.containers);
  };
}
