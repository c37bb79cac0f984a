# A stand-in for disko: the options of a disk with a partition table, and what NixOS is told of it.
# Knows nothing of formatting.
{
  description = "Stand-in for disko in the tests of holo-infra";

  outputs =
    { ... }:
    {
      nixosModules.disko =
        { config, lib, ... }:
        let
          inherit (lib) mkOption types;
          required = type: mkOption { inherit type; };
          option = type: default: mkOption { inherit type default; };
          fileSystem = types.submodule {
            options = {
              type = required (types.enum [ "filesystem" ]);
              format = required types.str;
              mountpoint = required types.str;
              mountOptions = option (types.listOf types.str) [ "defaults" ];
            };
          };
          partition = types.submodule {
            options = {
              size = required types.str;
              type = option types.str "8300";
              content = option (types.nullOr fileSystem) null;
            };
          };
          table = types.submodule {
            options = {
              type = required (types.enum [ "gpt" ]);
              partitions = option (types.attrsOf partition) { };
            };
          };
          disk = types.submodule {
            options = {
              device = required types.str;
              type = required (types.enum [ "disk" ]);
              content = required table;
            };
          };
          disks = config.disko.devices.disk;
          parts = name: disks.${name}.content.partitions;
          each = make: lib.concatMap (name: lib.concatMap (make name) (lib.attrNames (parts name)));
          grub = disk: part: lib.optional ((parts disk).${part}.type == "EF02") disks.${disk}.device;
          mounted =
            disk: part:
            let
              inherit ((parts disk).${part}) content;
            in
            lib.optional (content != null) {
              name = content.mountpoint;
              value = {
                device = "/dev/disk/by-partlabel/disk-${disk}-${part}";
                fsType = content.format;
                options = content.mountOptions;
              };
            };
        in
        {
          options.disko.devices.disk = option (types.attrsOf disk) { };
          config = {
            boot.loader.grub.devices = each grub (lib.attrNames disks);
            fileSystems = lib.listToAttrs (each mounted (lib.attrNames disks));
          };
        };
    };
}
