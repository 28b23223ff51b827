// For tests: a small device behind a server, run by a thread that stands in for the simulation, and the
// counting of open file descriptors.
#pragma once

#include <dirent.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pcie/vfio_user/server.h"

namespace rdu::pcie::vfio_user::test {

inline size_t open_fds() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder)) ++count;
  ::closedir(folder);
  return count;
}

// Waits until `done`, or for five seconds: whether it came true.
inline bool eventually(const std::function<bool()>& done) {
  for (int i = 0; i < 5000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/rdu-vfio-user-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() {
    ::unlink(socket().c_str());
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string socket() const { return path_ + "/socket"; }

 private:
  std::string path_;
};

// Region 0: 4 KiB of plain memory, where a write to kCopy has the device copy host memory and raise vector 0,
// and an access to kBroken fails with EIO. Region 2: 16 KiB that the client can map but for its first page.
// Region 7: 256 bytes that cannot be written. MSI-X: 4 vectors, maskable; INTx: 1 vector, masks itself.
class FakeDevice : public Device {
 public:
  static constexpr uint64_t kSource = 0xf00, kTarget = 0xf08, kLength = 0xf10, kResult = 0xf18, kCopy = 0xf20;
  static constexpr uint64_t kBroken = 0xf80;

  FakeDevice() : bar0(4096), window_(::memfd_create("bar2", MFD_CLOEXEC)) {
    if (::ftruncate(window_.get(), 16384) != 0) throw std::runtime_error("ftruncate");
  }

  DeviceInfo device_info() const override { return {}; }
  RegionInfo region_info(uint32_t index) const override {
    RegionInfo info;
    if (index == 0) info = {4096, true, true, -1, 0, {}};
    if (index == 2) info = {16384, true, true, window_.get(), 0, {{4096, 4096}, {8192, 8192}}};
    if (index == 7) info = {256, true, false, -1, 0, {}};
    return info;
  }
  IrqInfo irq_info(uint32_t index) const override {
    if (index == kIrqIntx) return {1, true, true, false};
    if (index == kIrqMsix) return {4, true, false, true};
    return {};
  }
  int region_read(uint32_t index, uint64_t offset, uint8_t* data, size_t size) override {
    ++accesses;
    if (index == 0 && offset == kBroken) return EIO;
    if (index == 2) return ::pread(window_.get(), data, size, static_cast<off_t>(offset)) < 0 ? errno : 0;
    if (index == 7) {
      for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(offset + i);
      return 0;
    }
    std::memcpy(data, bar0.data() + offset, size);
    return 0;
  }
  int region_write(uint32_t index, uint64_t offset, const uint8_t* data, size_t size) override {
    ++accesses;
    if (index == 0 && offset == kBroken) return EIO;
    if (index == 2) return ::pwrite(window_.get(), data, size, static_cast<off_t>(offset)) < 0 ? errno : 0;
    std::memcpy(bar0.data() + offset, data, size);
    if (offset == kCopy) copy();
    return 0;
  }
  void connected() override { ++connects; }
  void dma_mapped(uint64_t, uint64_t) override { ++maps; }
  void dma_unmapping(uint64_t, uint64_t) override { ++unmaps; }
  void irqs_changed(uint32_t, uint32_t, uint32_t) override { ++irq_changes; }
  int reset() override {
    ++resets;
    std::fill(bar0.begin(), bar0.end(), 0);
    return 0;
  }
  void disconnected() override { ++disconnects; }

  Server* server = nullptr;
  std::vector<uint8_t> bar0;
  std::atomic<int> accesses{0}, maps{0}, unmaps{0}, irq_changes{0}, resets{0}, connects{0}, disconnects{0};

 private:
  uint64_t reg(uint64_t offset) const {
    uint64_t value;
    std::memcpy(&value, &bar0[offset], sizeof value);
    return value;
  }
  void copy() {
    std::vector<uint8_t> data(std::min<uint64_t>(reg(kLength), 4u << 20));
    uint64_t result = static_cast<uint64_t>(server->dma().read(reg(kSource), data.data(), data.size()));
    if (result == 0)
      result = static_cast<uint64_t>(server->dma().write(reg(kTarget), data.data(), data.size()));
    std::memcpy(&bar0[kResult], &result, sizeof result);
    server->irqs().trigger(kIrqMsix, 0);
  }

  UniqueFd window_;
};

// The server with its device and the thread that pulls requests. How it pulls is chosen per test: `waiting`
// sleeps in wait(), as an idle simulation does; otherwise it polls next(), as a busy one does.
class Bench {
 public:
  enum class Style { kWaiting, kPolling };

  explicit Bench(const std::string& path, Options options = {}, Style style = Style::kWaiting)
      : server_(path, device_, with_log(std::move(options))), style_(style) {
    device_.server = &server_;
  }
  ~Bench() { stop(); }

  void start() {
    server_.start();
    run();
  }
  void start(int fd) {
    server_.start(UniqueFd(fd));
    run();
  }
  void stop() {
    stopping_ = true;
    server_.wake();
    if (thread_.joinable()) thread_.join();
    server_.stop();
  }

  FakeDevice& device() { return device_; }
  Server& server() { return server_; }
  // Has the simulation's thread do something, and waits for it: what is its alone may be looked at this way.
  void simulate(const std::function<void()>& action) {
    std::unique_lock<std::mutex> lock(action_lock_);
    action_ = action;
    server_.wake();
    action_done_.wait(lock, [this] { return !action_; });
  }
  std::string log() {
    const std::lock_guard<std::mutex> lock(log_lock_);
    return log_;
  }

 private:
  Options with_log(Options options) {
    options.log = [this](const std::string& line) {
      const std::lock_guard<std::mutex> lock(log_lock_);
      log_ += line + "\n";
    };
    return options;
  }
  void run() {
    thread_ = std::thread([this] {
      while (!stopping_) {
        while (auto request = server_.next()) server_.execute(*request);
        {
          const std::lock_guard<std::mutex> lock(action_lock_);
          if (action_) action_();
          action_ = nullptr;
          action_done_.notify_all();
        }
        if (style_ == Style::kWaiting)
          server_.wait(std::chrono::milliseconds(-1));
        else
          std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    });
  }

  FakeDevice device_;
  std::mutex log_lock_;
  std::string log_;
  std::mutex action_lock_;
  std::condition_variable action_done_;
  std::function<void()> action_;
  Server server_;
  Style style_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace rdu::pcie::vfio_user::test
