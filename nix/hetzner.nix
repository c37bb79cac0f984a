# What NixOS must know of a server of Hetzner Cloud: its disk, which nixos-anywhere formats so when it
# installs, and how it boots - servers with Intel and AMD from a BIOS, those with ARM from UEFI. The
# options are disko's.
{ lib, ... }:
{
  boot.initrd.availableKernelModules = [
    "sd_mod"
    "virtio_pci"
    "virtio_scsi"
  ];
  # disko names the disk.
  boot.loader.grub = {
    efiInstallAsRemovable = true;
    efiSupport = true;
  };
  networking.useDHCP = lib.mkDefault true;
  services.openssh.enable = true;

  disko.devices.disk.main = {
    device = lib.mkDefault "/dev/sda";
    type = "disk";
    content = {
      type = "gpt";
      partitions = {
        bios = {
          size = "1M";
          type = "EF02"; # where GRUB stands, without UEFI
        };
        efi = {
          size = "512M";
          type = "EF00";
          content = {
            type = "filesystem";
            format = "vfat";
            mountpoint = "/boot";
            mountOptions = [ "umask=0077" ];
          };
        };
        root = {
          size = "100%";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/";
          };
        };
      };
    };
  };
}
