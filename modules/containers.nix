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
          domain = lib.mkOption {
            type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9][A-Za-z0-9_-]{0,126}");
            default = null;
            description = ''
              The JetStream domain of a NATS server in it, which it learns as `HOLO_DOMAIN`;
              without it the server takes the container's name.
            '';
          };
          files = lib.mkOption {
            type = lib.types.bool;
            default = false;
            description = ''
              Whether, without `system`, there are configuration files of its services, in
              `/etc/holo/containers/NAME/services`.
            '';
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
            type = lib.types.attrsOf (lib.types.submodule (
              { config, ... }:
              {
                options = {
                  protocol = lib.mkOption {
                    type = lib.types.enum [ "tcp" "udp" ];
                    default = "tcp";
                    description = "The transport protocol.";
                  };
                  engine = lib.mkOption {
                    type = lib.types.enum [ "socat" "socket-proxyd" "haproxy" "nftables" ];
                    default = if config.protocol == "udp" then "socat" else "socket-proxyd";
                    defaultText =
                      lib.literalExpression "if config.protocol == \"udp\" then \"socat\" else \"socket-proxyd\"";
                    description = ''
                      What carries the traffic: `socket-proxyd` or `haproxy` (TCP only), a socket of
                      this host and a proxy in the container's network; `socat`, a process on either
                      side; `nftables`, the kernel, to the container's address.
                    '';
                  };
                  bind = lib.mkOption {
                    type = ipv4;
                    default = "127.0.0.1";
                    description = ''
                      The host's address to listen on; 0.0.0.0: all. With `nftables` none of
                      127.0.0.0/8.
                    '';
                  };
                  hostPort = lib.mkOption {
                    type = lib.types.port;
                    description = "The port on the host.";
                  };
                  port = lib.mkOption {
                    type = lib.types.port;
                    description = ''
                      The service's port: on the container's 127.0.0.1, with `nftables` on its
                      address.
                    '';
                  };
                  innerPort = lib.mkOption {
                    type = lib.types.port;
                    default = config.port;
                    defaultText = lib.literalExpression "config.port";
                    description = "The port on the container's address, with `socat`.";
                  };
                  probe = lib.mkOption {
                    type = lib.types.strMatching "tcp|none|http:/[A-Za-z0-9._~/?&=-]*";
                    default = "tcp";
                    description = ''
                      When the service counts as ready: `tcp` once it accepts a connection,
                      `http:PATH` once it answers GET PATH with success, `none` at once. No engine but
                      `nftables` carries traffic before.
                    '';
                  };
                };
              }
            ));
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
          egress = lib.mkOption {
            type = lib.types.enum [ "none" "hub" "internet" ];
            default = "none";
            description = ''
              What it may reach besides its peers: `none` nothing, `hub` the address
              `holo.hub`, `internet` everything but this host and other containers. Holds for
              private networks.
            '';
          };
          isolated = lib.mkOption {
            type = lib.types.bool;
            default = true;
            description = ''
              Whether it is kept from this host's other containers. Those that are not
              isolated reach each other.
            '';
          };
          allowedPeers = lib.mkOption {
            type = lib.types.listOf (lib.types.strMatching "[a-z]([a-z0-9-]{0,61}[a-z0-9])?");
            default = [ ];
            description = "Containers of this host to which it may open connections, isolated or not.";
          };
          state = lib.mkOption {
            type = lib.types.nullOr (lib.types.strMatching "/[^[:cntrl:]]*");
            default = null;
            description = ''
              This host's folder with the container's `/var/lib`: what outlives a restart. By
              default `/var/lib/holo/state/NAME`.
            '';
          };
          limits = {
            memory = lib.mkOption {
              type = lib.types.nullOr (lib.types.strMatching "[1-9][0-9]{0,14}[KMGT]?");
              default = null;
              description = "Memory, in bytes or with K, M, G, T.";
            };
            cpuPercent = lib.mkOption {
              type = lib.types.nullOr (lib.types.ints.between 1 100000);
              default = null;
              description = "Processor time, in percent of one core.";
            };
            tasks = lib.mkOption {
              type = lib.types.nullOr (lib.types.ints.between 1 4194304);
              default = null;
              description = "Processes and threads.";
            };
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
          secrets = lib.mkOption {
            type = lib.types.attrsOf (lib.types.strMatching "/[^[:cntrl:]]*");
            default = { };
            description = ''
              Files of this host that hold secrets, by the name under which units ask for
              them.
            '';
            apply = lib.mapAttrs (
              name: value:
              lib.throwIf (builtins.match "[A-Za-z_][A-Za-z0-9_.-]{0,199}" name == null) (
                "holo.containers.<name>.secrets: the name does not match [A-Za-z_][A-Za-z0-9_.-]{0,199}: "
                + name
              ) value
            );
          };
          nspawnArgs = lib.mkOption {
            type = lib.types.listOf lib.types.str;
            default = [ ];
            description = "More arguments for systemd-nspawn.";
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
    networking.dhcpcd.denyInterfaces = lib.concatLists (lib.mapAttrsToList (
      name: c:
      lib.optional (c.network == "private") "holo-${toString c.index}"
    ) cfg.containers);
    environment.etc = lib.mkMerge (lib.mapAttrsToList (name: c: {
      "holo/containers/${name}/identity.env".text =
        "HOLO_CONTAINER=${name}\nHOLO_ADDRESS=${if c.network == "private" then c.address else "127.0.0.1"}\n${if c.domain != null then "HOLO_DOMAIN='\"${if c.domain != null then c.domain else ""}\"'\n" else ""}";
      "holo/containers/${name}/resolv.conf" = lib.mkIf (
        c.network == "private" && c.egress == "internet" && cfg.nameservers != [ ]
      ) {
        text = lib.concatStringsSep "" (map (address: "nameserver ${address}\n") cfg.nameservers);
      };
    }) cfg.containers);
    systemd.services = lib.mkMerge (lib.mapAttrsToList (
      name: c:
      let
        link = "holo-${toString c.index}";
        namespace = "netns-${name}.service";
        state = if c.state != null then c.state else "/var/lib/holo/state/${name}";
        folder = "/etc/holo/containers/${name}";
        root = "holo/containers/${name}";
      in
      {
        "netns-${name}" = lib.mkIf (c.network == "private") {
          description = "Network namespace of container ${name}";
          after = [ "holo-firewall.service" ];
          wants = [ "holo-firewall.service" ];
          partOf = [ "container@${name}.service" ];
          unitConfig.StartLimitIntervalSec = 0;
          serviceConfig = lib.mkMerge [
            confined
            {
              Type = "oneshot";
              RemainAfterExit = true;
              ExecStartPre = [
                (utils.escapeSystemdExecArgs [
                  (lib.getExe' pkgs.nftables "nft")
                  "get"
                  "element"
                  "inet"
                  "holo"
                  "links"
                  "{ \"${link}\" }"
                ])
                "-${utils.escapeSystemdExecArgs [ ip "link" "delete" link ]}"
                "-${utils.escapeSystemdExecArgs [ ip "netns" "delete" name ]}"
              ];
              StandardOutput = "null";
              StandardError = "journal";
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
                (utils.escapeSystemdExecArgs [
                  ip
                  "-n"
                  name
                  "route"
                  "add"
                  "default"
                  "via"
                  c.hostAddress
                ])
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
          restartTriggers =
            [
              "HOLO_CONTAINER=${name}\nHOLO_ADDRESS=${if c.network == "private" then c.address else "127.0.0.1"}\n${if c.domain != null then "HOLO_DOMAIN='\"${if c.domain != null then c.domain else ""}\"'\n" else ""}"
            ]
            ++ lib.optional (
              c.network == "private" && c.egress == "internet" && cfg.nameservers != [ ]
            ) (lib.concatStringsSep "" (map (address: "nameserver ${address}\n") cfg.nameservers));
          unitConfig.StartLimitIntervalSec = 0;
          serviceConfig = {
            Type = "notify";
            ExecStartPre = utils.escapeSystemdExecArgs [
              (lib.getExe' pkgs.coreutils "mkdir")
              "--parents"
              state
            ];
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
              ++ lib.optional (
                c.network == "private" && c.egress == "internet" && cfg.nameservers != [ ]
              ) "--bind-ro=${folder}/resolv.conf:/etc/resolv.conf"
              ++ [ "--bind=${lib.replaceStrings [ "\\" ":" ] [ "\\\\" "\\:" ] state}:/var/lib" ]
              ++ lib.mapAttrsToList (
                inside: mount:
                "${if mount.writable then "--bind=" else "--bind-ro="}${lib.replaceStrings [ "\\" ":" ] [ "\\\\" "\\:" ] mount.source}:${lib.replaceStrings [ "\\" ":" ] [ "\\\\" "\\:" ] inside}"
              ) c.bindMounts
              ++ lib.mapAttrsToList (name2: path: "--load-credential=${name2}:${path}") c.secrets
              ++ c.nspawnArgs
              ++ lib.optionals (c.system != null) [
                "--directory=/var/lib/${root}"
                "--bind-ro=/nix/store"
                "${c.system}/init"
              ]
              ++ lib.optional (
                !(c.system != null) && c.files
              ) "--bind-ro=${folder}/services:/etc/holo/services"
              ++ lib.optionals (!(c.system != null)) [
                "--directory=/"
                "--volatile=yes"
                "--boot"
                "--bind-ro=${folder}/units:/etc/systemd/system"
                "--bind-ro=${folder}/presets:/etc/systemd/system-preset"
                "systemd.firstboot=off"
                "systemd.mask=systemd-firstboot.service"
                "systemd.mask=systemd-machine-id-commit.service"
                "systemd.mask=systemd-logind.service"
                "systemd.mask=systemd-user-sessions.service"
                "systemd.mask=systemd-update-utmp.service"
                "systemd.mask=systemd-update-utmp-runlevel.service"
                "systemd.mask=systemd-journal-flush.service"
                "systemd.mask=systemd-remount-fs.service"
                "systemd.mask=systemd-tmpfiles-setup-dev.service"
                "systemd.mask=dev-hugepages.mount"
                "systemd.mask=sys-fs-fuse-connections.mount"
              ]
            );
            StateDirectory = [ root "${root}/usr" ];
            StateDirectoryMode = "0755";
            KillMode = "mixed";
            Restart = "on-failure";
            RestartSec = 2;
            RestartForceExitStatus = 133;
            SuccessExitStatus = 133;
            TimeoutStartSec = 300;
            MemoryMax = lib.mkIf (c.limits.memory != null) (
              if c.limits.memory != null then c.limits.memory else "infinity"
            );
            CPUQuota =
              lib.mkIf (
                c.limits.cpuPercent != null
              ) "${toString (if c.limits.cpuPercent != null then c.limits.cpuPercent else 100)}%";
            TasksMax = lib.mkIf (c.limits.tasks != null) (
              if c.limits.tasks != null then c.limits.tasks else 1
            );
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
