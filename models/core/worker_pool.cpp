#include "core/worker_pool.h"

#include <algorithm>

namespace rdu::core {
namespace {

unsigned wanted_threads = 0;  // 0: as many as there are processors

}  // namespace

WorkerPool::WorkerPool(unsigned helpers) {
  for (unsigned i = 0; i < helpers; ++i) threads_.emplace_back([this] { serve(); });
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::submit(Job& job) {
  job.state_.store(Job::State::queued, std::memory_order_relaxed);
  bool worth = false;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(&job);
    worth = sleeping_ != 0 && queue_.size() >= kWorthWaking;
  }
  if (worth) work_.notify_one();
}

bool WorkerPool::run_one(std::unique_lock<std::mutex>& lock) {
  if (queue_.empty()) return false;
  Job& job = *queue_.front();
  queue_.pop_front();
  job.state_.store(Job::State::running, std::memory_order_relaxed);
  lock.unlock();
  job.run();
  lock.lock();
  // Under the lock: nobody may free the job between its end and the last look at it.
  job.state_.store(Job::State::done, std::memory_order_release);
  if (wanted_ == &job) done_.notify_one();
  return true;
}

void WorkerPool::wait(Job& job) {
  if (job.done()) return;
  std::unique_lock lock(mutex_);
  while (!job.done()) {
    // The job itself before others, which can wait.
    const auto found = std::find(queue_.begin(), queue_.end(), &job);
    if (found != queue_.end()) std::iter_swap(queue_.begin(), found);
    if (run_one(lock)) continue;
    wanted_ = &job;
    done_.wait(lock);
    wanted_ = nullptr;
  }
}

void WorkerPool::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++sleeping_;
    work_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    --sleeping_;
    if (queue_.empty()) return;
    run_one(lock);
  }
}

WorkerPool& WorkerPool::instance() {
  static WorkerPool pool([] {
    const unsigned threads =
        wanted_threads != 0 ? wanted_threads : std::max(1u, std::thread::hardware_concurrency());
    return std::min(threads, kMostThreads) - 1;
  }());
  return pool;
}

void WorkerPool::set_threads(unsigned threads) {
  wanted_threads = std::max(1u, threads);
}

}  // namespace rdu::core
