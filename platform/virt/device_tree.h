#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdu::platform::virt {

/// What the flattened device tree of the bare management subsystem says.
struct Machine {
  /// A block that no operating system knows, by name and place.
  struct Block {
    std::string name;  ///< "sysctl": the node's name, and compatible = "rdu,sysctl"
    uint64_t base;
    uint64_t size;
    unsigned interrupt;  ///< source of the PLIC; 0: none
  };

  unsigned harts = 1;
  uint64_t timebase = 0;                ///< Hz of MTIME
  uint64_t ram_size = 0;                ///< bytes
  unsigned sources = 0;                 ///< of the PLIC
  std::string isa;                      ///< "rv64imac_zicsr": riscv,isa
  std::vector<std::string> extensions;  ///< "i", "m", "zicsr" ...: riscv,isa-extensions
  std::string mmu;                      ///< "riscv,sv48"; "" if there is none
  std::vector<Block> blocks;
};

/// The tree, laid out as that of QEMU's `virt` machine.
std::vector<uint8_t> make_device_tree(const Machine& machine);

/// What the loader adds under /chosen.
struct Chosen {
  std::string bootargs;  ///< "": as the tree has it
  uint64_t initrd_begin = 0;
  uint64_t initrd_end = 0;  ///< behind the last byte; 0: no initial RAM disk
};

/// Checks a tree, whether made here or read from `name`, and adds to it. Throws bad_input if it is none.
std::vector<uint8_t> with_chosen(const std::vector<uint8_t>& tree, const std::string& name,
                                 const Chosen& chosen);

}  // namespace rdu::platform::virt
