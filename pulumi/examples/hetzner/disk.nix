# The first disk of a server of Hetzner Cloud, and how it boots. nixos-anywhere formats it so when it
# installs. Needs disko's module in the flake: github:nix-community/disko.
{ modulesPath, ... }:
{
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];

  boot.loader.grub.enable = true; # disko names the disk
  boot.initrd.availableKernelModules = [ "sd_mod" "virtio_pci" "virtio_scsi" ];
  networking.useDHCP = true;
  services.openssh.enable = true;

  disko.devices.disk.main = {
    device = "/dev/sda";
    type = "disk";
    content = {
      type = "gpt";
      partitions = {
        boot = {
          size = "1M";
          type = "EF02"; # where GRUB stands
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
