// What the tests of librdu have a process do, over either transport:
//
//   exercise ADDRESS cycles N    N times: open, a context with memory in each tier, a queue, copies whose
//                                bytes are checked, close
//   exercise ADDRESS busy        keeps the device busy without end, so that the process can be killed
//   exercise ADDRESS windows     maps device memory, compares it with what copies see, until no window is
//   free exercise ADDRESS order       work on two queues that wait for each other
//
// Says "busy" when it is, "good" when all was well.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "rdu.hpp"

namespace {

using rdu::Context;
using rdu::Device;
using rdu::Event;
using rdu::Memory;
using rdu::Queue;

void expect(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

std::vector<uint8_t> noise(size_t bytes, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<uint8_t> data(bytes);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(random() >> 8);
  return data;
}

void cycles(const std::string& address, unsigned long count) {
  constexpr size_t kBytes = 3 * 4096;
  for (unsigned long i = 0; i < count; ++i) {
    const Device device(address);
    const Context context(device, 1 << 20, 1 << 20);
    const Queue queue(context);
    const Memory hbm(context, RDU_TIER_HBM, kBytes), ddr(context, RDU_TIER_DDR, kBytes);
    const Memory host(context, RDU_TIER_HOST, kBytes);
    const std::vector<uint8_t> there = noise(kBytes, static_cast<unsigned>(i));
    std::vector<uint8_t> back(kBytes);
    queue.upload(hbm, there.data(), kBytes);
    queue.copy(ddr, hbm);
    queue.copy(host, ddr);
    queue.download(back.data(), hbm, kBytes);
    queue.finish();
    expect(back == there, "other bytes in HBM");
    expect(std::memcmp(host.pointer(), there.data(), kBytes) == 0, "other bytes in host memory");
  }
}

[[noreturn]] void busy(const std::string& address) {
  constexpr size_t kBytes = 8 << 20;
  const Device device(address);
  const Context context(device, kBytes, kBytes);
  const Queue queue(context), other(context);
  const Memory hbm(context, RDU_TIER_HBM, kBytes), ddr(context, RDU_TIER_DDR, kBytes);
  std::vector<uint8_t> data(kBytes, 1);
  hbm.map();
  for (bool said = false;; said = true) {
    const Event uploaded = queue.upload(hbm, data.data(), kBytes);
    other.wait(uploaded);
    other.copy(ddr, hbm);
    if (!said) {
      std::puts("busy");
      std::fflush(stdout);
    }
  }
}

void windows(const std::string& address) {
  const Device device(address);
  const Context context(device, 600 << 20, 64 << 20);
  const Queue queue(context);
  const Memory before(context, RDU_TIER_HBM, 5000);  // so that the next one lies across pages
  for (const rdu_tier tier : {RDU_TIER_HBM, RDU_TIER_DDR}) {
    const Memory memory(context, tier, 100'000);
    const std::vector<uint8_t> there = noise(memory.size(), 7), here = noise(memory.size(), 8);
    queue.upload(memory, there.data(), there.size()).wait();
    auto* const shown = static_cast<uint8_t*>(memory.map());
    expect(shown == memory.pointer(), "another pointer");
    expect(std::equal(there.begin(), there.end(), shown), "a window shows other bytes");
    std::copy(here.begin(), here.end(), shown);
    std::vector<uint8_t> back(memory.size());
    queue.download(back.data(), memory, back.size()).wait();
    expect(back == here, "what was written through a window has not arrived");
    memory.unmap();
    expect(memory.pointer() == nullptr, "it is still mapped");
  }
  // More than all windows together show.
  const Memory large(context, RDU_TIER_HBM, 512 << 20);
  try {
    large.map();
    throw std::runtime_error("no limit of windows");
  } catch (const rdu::Error& error) {
    expect(error.result() == RDU_ERROR_NO_RESOURCE, error.what());
    std::puts(error.what());
  }
  // And none was lost by that.
  const Memory half(context, RDU_TIER_DDR, 48 << 20);
  half.map();
}

void order(const std::string& address) {
  constexpr size_t kBytes = 1 << 20;
  const Device device(address);
  const Context context(device, 8 * kBytes, kBytes);
  const Queue queues[2] = {Queue(context), Queue(context)};
  const Memory hbm(context, RDU_TIER_HBM, kBytes), ddr(context, RDU_TIER_DDR, kBytes);
  for (unsigned round = 0; round < 20; ++round) {
    const std::vector<uint8_t> there = noise(kBytes, round);
    std::vector<uint8_t> back(kBytes);
    // Each of these needs the one before, which is in the other queue.
    const Event uploaded = queues[0].upload(hbm, there.data(), kBytes);
    queues[1].wait(uploaded);
    const Event moved = queues[1].copy(ddr, hbm);
    queues[0].wait(moved);
    const Event cleared = queues[0].upload(hbm, back.data(), kBytes);
    queues[1].wait(cleared);
    const Event returned = queues[1].copy(hbm, ddr);
    queues[0].wait(returned);
    const Event downloaded = queues[0].download(back.data(), hbm, kBytes);
    expect(rdu::wait_any({&downloaded}) == 0, "another one");
    rdu::wait_all({&uploaded, &moved, &cleared, &returned, &downloaded});
    expect(back == there, "the order between queues was not kept");
    expect(moved.info().start_ns >= uploaded.info().end_ns, "a copy has begun too early");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[2] : "";
  try {
    if (what == "cycles" && argc == 4) {
      cycles(argv[1], std::strtoul(argv[3], nullptr, 10));
    } else if (what == "busy" && argc == 3) {
      busy(argv[1]);
    } else if (what == "windows" && argc == 3) {
      windows(argv[1]);
    } else if (what == "order" && argc == 3) {
      order(argv[1]);
    } else {
      std::fprintf(stderr, "usage: exercise ADDRESS cycles N | busy | windows | order\n");
      return 2;
    }
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "exercise: %s\n", error.what());
    return 1;
  }
  std::puts("good");
  return 0;
}
