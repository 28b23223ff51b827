#include "platform/virt/boot.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "platform/virt/device_tree.h"

namespace rdu::platform::virt {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kKernelAlignment = 2 * kMiB;  // of RV64 kernels, as Linux demands
constexpr uint64_t kLargestTree = 4 * kMiB;

constexpr uint64_t align_up(uint64_t value, uint64_t to) {
  return (value + to - 1) / to * to;
}
constexpr uint64_t align_down(uint64_t value, uint64_t to) {
  return value / to * to;
}

/// Debian's OpenSBI.
std::string default_bios() {
  constexpr const char* kPlace = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.elf";
  if (!std::filesystem::exists(kPlace)) {
    core::bad_input(fmt::format(
        "--bios default: {} is missing: apt-get install opensbi, or name another file by --bios", kPlace));
  }
  return kPlace;
}

/// An ELF that lies where firmware would is its own firmware: test programs, bare-metal programs.
bool replaces_firmware(const std::string& kernel, uint64_t ram_base) {
  const std::vector<uint8_t> file = mgmt::read_file(kernel, uint64_t{2} << 30);
  if (!mgmt::ElfImage::is_elf(file)) return false;
  const mgmt::ElfImage elf(kernel, file);
  for (const mgmt::ElfImage::Segment& segment : elf.segments())
    if (segment.physical >= ram_base && segment.physical < ram_base + kKernelAlignment) return true;
  return false;
}

void check(const Options& o) {
  const auto without_kernel = [&](const char* option, const std::string& value) {
    if (!value.empty() && o.kernel.empty())
      core::bad_input(fmt::format("{} is for a kernel: --kernel is missing", option));
  };
  without_kernel("--initrd", o.initrd);
  without_kernel("--append", o.append);
  without_kernel("--signature", o.signature);
  if (o.kernel.empty() && (o.bios.empty() || o.bios == "none") && o.dump_dtb.empty())
    core::bad_input("nothing to run: name a program by --kernel or --bios");
}

}  // namespace

Boot::Boot(const Options& o, uint64_t ram_base, uint64_t ram_size, std::vector<uint8_t> tree)
    : images_(ram_base, ram_size) {
  check(o);
  std::string bios = o.bios;
  if (bios.empty()) {
    const bool bare = o.kernel.empty() || replaces_firmware(o.kernel, ram_base);
    bios = bare ? "none" : "default";
  }
  uint64_t kernel_at = ram_base;
  if (bios != "none") {
    const Loaded firmware = load_program(images_, bios == "default" ? default_bios() : bios, ram_base);
    entry_ = firmware.entry;
    kernel_at = align_up(firmware.end, kKernelAlignment);
    symbols_.merge(firmware.symbols);
  }
  Chosen chosen;
  chosen.bootargs = o.append;
  if (!o.kernel.empty()) {
    const Loaded kernel = load_program(images_, o.kernel, kernel_at);
    kernel_entry_ = kernel.entry;
    if (bios == "none") entry_ = kernel.entry;
    kernel_symbols_ = kernel.symbols;
    symbols_.merge(kernel.symbols);
    if (!o.initrd.empty()) {
      std::vector<uint8_t> initrd = mgmt::read_file(o.initrd, ram_size);
      const uint64_t offset = std::min(ram_size / 2, 128 * kMiB);
      chosen.initrd_begin = align_up(std::max(kernel_at + offset, kernel.end), kKernelAlignment);
      chosen.initrd_end = chosen.initrd_begin + initrd.size();
      images_.add(o.initrd, chosen.initrd_begin, std::move(initrd), 0);
    }
  }
  if (o.dtb.empty()) {
    tree_ = with_chosen(tree, "device tree", chosen);
  } else {
    tree_ = with_chosen(mgmt::read_file(o.dtb, kLargestTree), o.dtb, chosen);
  }
  const uint64_t space = align_up(tree_.size(), mgmt::kPage);
  if (space > ram_size / 2) core::bad_input(fmt::format("RAM of {} bytes is too small (-m)", ram_size));
  const uint64_t alignment = ram_size >= 16 * kMiB ? kKernelAlignment : mgmt::kPage;
  tree_at_ = align_down(images_.ram_end() - space, alignment);
  images_.add("device tree", tree_at_, tree_, 0);
}

std::vector<uint8_t> Boot::reset_vector() const {
  // OpenSBI's struct fw_dynamic_info, version 2.
  constexpr uint64_t kMagic = 0x4942534f, kVersion = 2, kSupervisor = 1;
  constexpr uint32_t kCode[] = {
      0x00000297,  // auipc t0, 0
      0x02828613,  // addi  a2, t0, 40     the description below
      0xf1402573,  // csrr  a0, mhartid
      0x0202b583,  // ld    a1, 32(t0)     the device tree
      0x0182b283,  // ld    t0, 24(t0)     the first program
      0x00028067,  // jr    t0
  };
  const uint64_t data[] = {entry_,        tree_at_,    kMagic,          kVersion,
                           kernel_entry_, kSupervisor, 0 /* options */, 0 /* boot hart */};
  std::vector<uint8_t> bytes;
  const auto append = [&bytes](const void* from, size_t size) {
    const auto* p = static_cast<const uint8_t*>(from);
    bytes.insert(bytes.end(), p, p + size);
  };
  append(kCode, sizeof kCode);
  append(data, sizeof data);
  return bytes;
}

}  // namespace rdu::platform::virt
