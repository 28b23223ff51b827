#pragma once

#include <cstdint>
#include <string>

#include "core/parameter.h"
#include "core/time.h"

namespace rdu::mgmt {

/// What an instruction costs beyond its one cycle; README.md has the formula.
struct HartTiming {
  uint64_t branch_taken = 1;
  uint64_t load = 1;
  uint64_t multiply = 2;
  uint64_t divide = 20;
  uint64_t float_simple = 1;
  uint64_t float_arithmetic = 3;
  uint64_t float_divide_single = 14;
  uint64_t float_divide_double = 26;
  uint64_t atomic = 4;
  uint64_t csr = 2;
  uint64_t trap = 4;
  uint64_t bus = 10;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(branch_taken, {"branch_taken", Unit::cycles, "taken branch, jump, return", "ours", 0, 1000});
    v(load, {"load", Unit::cycles, "load from ROM, RAM or flash", "ours", 0, 1000});
    v(multiply, {"multiply", Unit::cycles, "MUL*", "ours", 0, 1000});
    v(divide, {"divide", Unit::cycles, "DIV*, REM*", "ours", 0, 1000});
    v(float_simple,
      {"float_simple", Unit::cycles,
       "floating-point move, sign injection, comparison, minimum, maximum, class", "ours", 0, 1000});
    v(float_arithmetic,
      {"float_arithmetic", Unit::cycles,
       "floating-point addition, multiplication, fused multiply-add, conversion", "ours", 0, 1000});
    v(float_divide_single, {"float_divide_single", Unit::cycles, "FDIV.S, FSQRT.S", "ours", 0, 1000});
    v(float_divide_double, {"float_divide_double", Unit::cycles, "FDIV.D, FSQRT.D", "ours", 0, 1000});
    v(atomic, {"atomic", Unit::cycles, "LR, SC, AMO", "ours", 0, 1000});
    v(csr, {"csr", Unit::cycles, "CSR access, FENCE, FENCE.I, SFENCE.VMA, MRET, SRET, WFI", "ours", 0, 1000});
    v(trap, {"trap", Unit::cycles, "entry of an exception or interrupt", "ours", 1, 1000});
    v(bus, {"bus", Unit::cycles, "bus access outside ROM, RAM and flash, besides the target's own latency",
            "ours", 0, 100000});
  }
};

struct HartParams {
  uint64_t clock = 1'000'000'000;  ///< Hz
  core::Time quantum = 10 * core::kMicrosecond;
  bool misaligned = false;
  bool svadu = true;
  HartTiming timing;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(clock, {"clock", Unit::frequency, "clock of the management core; its period is rounded to a picosecond",
              "ours", 1'000'000, 4'000'000'000});
    v(quantum, {"quantum", Unit::time, "how far a hart runs ahead of the rest of the platform", "ours",
                core::kNanosecond, core::kMillisecond});
    v(misaligned, {"misaligned", Unit::flag,
                   "misaligned loads and stores to memory work in hardware instead of trapping", "ours"});
    v(svadu, {"svadu", Unit::flag,
              "menvcfg.ADUE after reset: page-table walks set the A and D bits instead of faulting (Svadu)",
              "as QEMU's virt machine"});
    v.group("timing", timing);
  }

  /// Of the clock, to the nearest picosecond.
  core::Clock period() const { return {(1'000'000'000'000u + clock / 2) / clock}; }
};

struct FlashParams {
  uint64_t size = 4u << 20;
  core::Time erase_time = 45 * core::kMillisecond;
  core::Time program_time = 400 * core::kMicrosecond;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(size, {"size", Unit::bytes, "boot flash, a multiple of 8 KiB", "ours", 128u << 10, 32u << 20});
    v(erase_time,
      {"erase_time", Unit::time, "erasing a sector of 4 KiB",
       "typical of serial NOR flash (W25Q128JV data sheet: 45 ms)", 1, 10'000 * core::kMillisecond});
    v(program_time,
      {"program_time", Unit::time, "programming a page of up to 256 bytes",
       "typical of serial NOR flash (W25Q128JV data sheet: 0.4 ms)", 1, 1'000 * core::kMillisecond});
  }
};

struct CryptoParams {
  uint64_t clock = 1'000'000'000;  ///< Hz
  uint64_t setup = 20;
  uint64_t bytes_per_cycle = 1;
  uint64_t verify = 100'000;
  uint64_t max_length = 64u << 20;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(clock, {"clock", Unit::frequency, "clock of the cryptography block", "ours", 1'000'000, 4'000'000'000});
    v(setup, {"setup", Unit::cycles, "each command, besides what follows", "ours", 1, 1'000'000});
    v(bytes_per_cycle, {"bytes_per_cycle", Unit::count,
                        "bytes hashed in a cycle (a round of SHA-256 takes one)", "ours", 1, 128});
    v(verify, {"verify", Unit::cycles, "an Ed25519 verification, besides the hash of the message", "ours", 0,
               1'000'000'000});
    v(max_length, {"max_length", Unit::bytes, "what the length counter holds", "ours", 4096, 1u << 30});
  }
};

struct FuseParams {
  bool secure_boot = true;
  std::string public_key = "development";
  uint64_t firmware_rollback = 0;
  uint64_t serial = 1;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(secure_boot,
      {"secure_boot", Unit::flag,
       "the boot ROM starts signed firmware only; false: unsigned firmware with a warning", "ours"});
    v(public_key,
      {"public_key", Unit::text,
       "Ed25519 key that firmware must be signed with: 64 hexadecimal digits, or `development` for "
       "firmware/keys/development.pub",
       "ours"});
    v(firmware_rollback,
      {"firmware_rollback", Unit::count, "lowest rollback version of firmware that the boot ROM starts",
       "ours", 0, 0xffffffff});
    v(serial, {"serial", Unit::count, "serial number of the chip", "ours"});
  }
};

struct MgmtParams {
  uint64_t harts = 1;
  uint64_t ram_size = 8u << 20;
  core::Time ram_latency = 40 * core::kNanosecond;
  HartParams hart;
  FlashParams flash;
  CryptoParams crypto;
  FuseParams fuses;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(harts, {"harts", Unit::count, "RISC-V harts of the management core", "ours", 1, 8});
    v(ram_size, {"ram_size", Unit::bytes, "management RAM, a multiple of 4 KiB", "ours", 65536, 2u << 30});
    v(ram_latency, {"ram_latency", Unit::time,
                    "management RAM's answer to the copy engine and other agents of the top-level network",
                    "ours", 1, core::kMillisecond});
    v.group("hart", hart);
    v.group("flash", flash);
    v.group("crypto", crypto);
    v.group("fuses", fuses);
  }
};

/// What the platform tells firmware about the chip through SYSCTL.
struct SocketInfo {
  unsigned socket = 0;
  unsigned tiles = 1;
  unsigned rows = 0;     ///< of a tile
  unsigned columns = 0;  ///< of a tile
};

}  // namespace rdu::mgmt
