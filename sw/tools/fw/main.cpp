#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "rdu.h"
#include "regs/hostif.h"
#include "runtime/address.h"
#include "runtime/kernel_file.h"
#include "tools/fw/device.h"
#include "tools/fw/error.h"
#include "tools/fw/image_file.h"
#include "tools/fw/kernel_device.h"
#include "tools/fw/listing.h"
#include "user/vfio_user_bus.h"

namespace {

using namespace rdu;
using namespace rdu::fw;

struct Options {
  std::string device;
  double timeout = 60;
  bool quiet = false;
  std::string image;
  std::string key;
  uint32_t slot = 0;
  bool activate = false;
  bool restart = false;
};

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

std::unique_ptr<FirmwareDevice> open(const Options& o) {
  const runtime::Address where =
      runtime::parse_address(o.device.empty() ? runtime::default_address() : o.device);
  if (where.kind == runtime::Address::Kind::kNode)
    return std::make_unique<KernelFirmwareDevice>(runtime::open_node(where.path));
  const auto timeout = std::chrono::ceil<Milliseconds>(std::chrono::duration<double>(o.timeout));
  const auto log = [quiet = o.quiet](const std::string& line) {
    if (!quiet) fmt::print(stderr, "rdu-fw: {}\n", line);
  };
  user::ClientOptions client;
  client.connect_timeout = client.request_timeout = timeout;
  client.log = log;
  return std::make_unique<BusFirmwareDevice>(std::make_unique<user::VfioUserBus>(where.path, client), timeout,
                                             log);
}

// A line that grows on a terminal, one at each tenth elsewhere.
FirmwareDevice::Progress progress(const Options& o, std::string what) {
  return [what, quiet = o.quiet, last = uint64_t{~0ull}](uint64_t done, uint64_t all) mutable {
    const uint64_t percent = all == 0 ? 100 : done * 100 / all;
    const bool terminal = isatty(STDERR_FILENO) != 0;
    const uint64_t mark = terminal ? percent : percent / 10;
    if (quiet || mark == last) return;
    last = mark;
    fmt::print(stderr, "{}rdu-fw: {}: {} of {} bytes, {} %{}", terminal ? "\r" : "", what, done, all, percent,
               terminal && done < all ? "" : "\n");
  };
}

void info(const Options& o) {
  const auto opened = open(o);
  FirmwareDevice& device = *opened;
  const BootStatus status = device.status();
  fmt::print("{}", status_listing(status));
  if (status.ready) fmt::print("{}", firmware_listing(device.firmware()));
}

void verify(const Options& o) {
  PublicKey key{};
  uint32_t rollback = 0;
  bool required = true;
  if (!o.device.empty()) {
    const rdu_log_firmware chip = open(o)->firmware();
    std::copy(std::begin(chip.key), std::end(chip.key), key.begin());
    rollback = chip.rollback;
    required = chip.secure_boot != 0;
  } else {
    key = public_key(o.key);
  }
  say(fmt::format("{}: good: {}", o.image, image_line(read_image(o.image, key, required, rollback))));
}

// What the file itself tells is found before the device is touched; what depends on the chip's fuses, the
// chip tells.
ImageFile read_any(const Options& o) {
  return read_image(o.image, PublicKey{}, false, 0);
}

void recover(const Options& o) {
  const ImageFile image = read_any(o);
  const auto opened = open(o);
  FirmwareDevice& device = *opened;
  device.recover(image.bytes, progress(o, "recovery"));
  say(fmt::format("recovered: {} {} runs from RAM; rdu-fw update makes it permanent", image.name(),
                  version_text(image.header.version)));
}

uint32_t other_slot(uint32_t boot) {
  const uint32_t source = (boot & RDU_HOSTIF_BOOT_SOURCE_MASK) >> RDU_HOSTIF_BOOT_SOURCE_SHIFT;
  return source == RDU_HOSTIF_BOOT_SOURCE_SLOT0 ? 1 : 0;
}

void activate_and_restart(const Options& o, FirmwareDevice& device, uint32_t slot, bool activate) {
  if (activate) {
    device.activate(slot);
    say(fmt::format("slot {} boots next", slot));
  }
  if (!o.restart) return;
  device.restart();
  const BootStatus status = device.status();
  say(fmt::format("restarted: firmware {}", version_text(status.version)));
  fmt::print("{}", status_listing(status));
}

void update(const Options& o, bool slot_given) {
  const ImageFile image = read_any(o);
  const auto opened = open(o);
  FirmwareDevice& device = *opened;
  const uint32_t slot = slot_given ? o.slot : other_slot(device.status().boot);
  const rdu_log_firmware chip = device.firmware();
  if (image.bytes.size() > chip.slot_bytes)
    throw Error(
        fmt::format("{}: has {} bytes, a slot holds {}", o.image, image.bytes.size(), chip.slot_bytes));
  // Better now than after a minute of erasing: the chip's own demands.
  PublicKey key;
  std::copy(std::begin(chip.key), std::end(chip.key), key.begin());
  read_image(o.image, key, chip.secure_boot != 0, chip.rollback);
  device.write_slot(slot, image.bytes, progress(o, fmt::format("slot {}", slot)));
  say(fmt::format("slot {} holds {} {}", slot, image.name(), version_text(image.header.version)));
  activate_and_restart(o, device, slot, o.activate || o.restart);
  if (!o.activate && !o.restart) say(fmt::format("it boots once it is activated: rdu-fw activate {}", slot));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks after the firmware of an RDU: what its two flash slots hold, updates, recovery.",
               "rdu-fw");
  app.set_version_flag("--version", std::string("rdu-fw ") + RDU_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // these options may also stand behind the command
  Options o;
  auto* from_device =
      app.add_option("--device", o.device,
                     "The device: /dev/rduN or rduN of the kernel driver, or unix:PATH, the socket of rduvp\n"
                     "(default: $RDU_DEVICE, else the kernel driver's first, else " RDU_DEFAULT_ADDRESS ")")
          ->type_name("ADDRESS");
  app.add_option("--timeout", o.timeout, "Seconds of the host's clock for each step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("-q,--quiet", o.quiet, "No progress");
  const auto image = [&o](CLI::App* command) {
    command->add_option("IMAGE", o.image, "A firmware image; scripts/sign-firmware makes them")->required();
  };
  auto* info_command = app.add_subcommand("info", "What has booted and why, and what the slots hold");
  auto* recover_command = app.add_subcommand("recover", "Pushes an image to a chip that finds none to boot");
  image(recover_command);
  auto* update_command = app.add_subcommand("update", "Writes an image into the slot that does not run");
  image(update_command);
  auto* slot_option =
      update_command->add_option("--slot", o.slot, "Which slot (default: the one that does not run)")
          ->check(CLI::Range(0, 1));
  update_command->add_flag("--activate", o.activate, "Have it boot next");
  update_command->add_flag("--restart", o.restart, "--activate, then restart the chip's core");
  auto* activate_command =
      app.add_subcommand("activate", "Has a slot boot next, if the chip would accept it");
  activate_command->add_option("SLOT", o.slot, "0 or 1")->required()->check(CLI::Range(0, 1));
  activate_command->add_flag("--restart", o.restart, "Then restart the chip's core");
  auto* restart_command = app.add_subcommand("restart", "Restarts the chip's core, whatever it does");
  auto* verify_command =
      app.add_subcommand("verify", "Checks an image as the chip would; with --device, as that chip would");
  image(verify_command);
  verify_command
      ->add_option("--key", o.key,
                   "Public key: FILE.pub, 64 digits, or development (default); not with --device")
      ->excludes(from_device);
  app.footer(
      "Example: rdu-fw update my.img --restart --device unix:/tmp/rdu0.sock\n"
      "Exit status: 0 done, 1 refused or failed, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    if (sodium_init() < 0) throw Error("libsodium cannot be initialised");
    if (o.key.empty()) o.key = "development";
    if (*info_command) info(o);
    if (*recover_command) recover(o);
    if (*update_command) update(o, slot_option->count() > 0);
    if (*verify_command) verify(o);
    if (*activate_command || *restart_command) {
      const auto chip = open(o);
      o.restart |= bool(*restart_command);
      activate_and_restart(o, *chip, o.slot, bool(*activate_command));
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rdu-fw: {}\n", error.what());
    return 1;
  }
}
