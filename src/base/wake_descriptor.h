// A descriptor that becomes readable when it is told to, also by a signal handler.
#ifndef TCSYNC_SRC_BASE_WAKE_DESCRIPTOR_H_
#define TCSYNC_SRC_BASE_WAKE_DESCRIPTOR_H_

namespace tcsync::base {

// An eventfd, or a pipe where there is none.
class WakeDescriptor {
 public:
  // std::system_error when the process has no descriptor left.
  WakeDescriptor();
  WakeDescriptor(const WakeDescriptor&) = delete;
  WakeDescriptor& operator=(const WakeDescriptor&) = delete;
  ~WakeDescriptor();

  // To wait for, for reading. The same number for as long as the object lives.
  int fd() const { return read_end_; }

  // Makes it readable. Any thread and any signal handler; leaves errno as it was.
  void Wake() const noexcept;

  // Makes it unreadable until the next Wake().
  void Drain() const noexcept;

  // In a child of a fork: what is behind the numbers is from now on this process' own, and wakes
  // and is woken by no other one. std::system_error when the process has no descriptor left.
  void Renew();

 private:
  int read_end_ = -1;
  int write_end_ = -1;  // the same for an eventfd
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_WAKE_DESCRIPTOR_H_
