// SPDX-License-Identifier: GPL-2.0
/* /dev/rduN: what rdu_ioctl.h says, checked and handed on. */

#include <linux/compat.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "rdu.h"

static int rdu_open(struct inode *inode, struct file *filp)
{
	struct rdu_device *rdu = container_of(inode->i_cdev, struct rdu_device, cdev);
	struct rdu_file *file;
	int type;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	file->rdu = rdu;
	file->mapping = filp->f_mapping;
	mutex_init(&file->lock);
	init_waitqueue_head(&file->wait);
	xa_init_flags(&file->queues, XA_FLAGS_ALLOC1);
	xa_init_flags(&file->memory, XA_FLAGS_ALLOC1);
	for (type = RDU_MEMORY_HBM; type <= RDU_MEMORY_HOST; type++)
		/* Offset 0 of the host segment stays empty, so that null pointers are caught. */
		init_iova_domain(&file->space[type].ranges, RDU_PAGE, type == RDU_MEMORY_HOST);
	mutex_lock(&rdu->files_lock);
	list_add_tail(&file->link, &rdu->files);
	mutex_unlock(&rdu->files_lock);
	filp->private_data = file;
	stream_open(inode, filp);
	return 0;
}

/* The last user has gone: nothing is mapped, and nobody is in a call. */
static int rdu_release(struct inode *inode, struct file *filp)
{
	struct rdu_file *file = filp->private_data;
	struct rdu_device *rdu = file->rdu;
	struct rdu_memory *memory;
	struct rdu_queue *queue;
	unsigned long handle;
	int type, err;

	for (;;) {
		down_read(&rdu->hw);
		mutex_lock(&file->lock);
		err = rdu_context_destroy(file, -EIO);
		mutex_unlock(&file->lock);
		up_read(&rdu->hw);
		if (!err)
			break;
		/* The device has hung. Its memory is given back when it was stopped. */
		flush_work(&rdu->reset_work);
		cond_resched();
	}
	mutex_lock(&rdu->files_lock);
	list_del(&file->link);
	mutex_unlock(&rdu->files_lock);

	xa_for_each (&file->queues, handle, queue)
		rdu_queue_put(queue);
	xa_destroy(&file->queues);
	xa_for_each (&file->memory, handle, memory)
		rdu_memory_put(memory);
	xa_destroy(&file->memory);
	for (type = RDU_MEMORY_HBM; type <= RDU_MEMORY_HOST; type++)
		put_iova_domain(&file->space[type].ranges);
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static __poll_t rdu_poll(struct file *filp, poll_table *wait)
{
	struct rdu_file *file = filp->private_data;
	__poll_t events = 0;
	int err;

	poll_wait(filp, &file->wait, wait);
	err = rdu_file_error(file);
	if (rdu_queue_ready(file))
		events |= EPOLLIN | EPOLLRDNORM;
	if (err)
		events |= EPOLLERR;
	if (err == -ENODEV)
		events |= EPOLLHUP;
	return events;
}

static int rdu_mmap(struct file *filp, struct vm_area_struct *vma)
{
	return rdu_window_mmap(filp->private_data, vma);
}

/* --- calls --- */

static int rdu_ioctl_info(struct rdu_file *file, void *data)
{
	struct rdu_device *rdu = file->rdu;
	struct rdu_ioc_info *info = data;
	u32 room = info->identify_bytes;
	void __user *to = u64_to_user_ptr(info->identify);
	struct rdu_identify identify;

	if (info->reserved)
		return -EINVAL;
	if (down_read_interruptible(&rdu->hw))
		return -ERESTARTSYS;
	if (rdu->state == RDU_STATE_GONE) {
		up_read(&rdu->hw);
		return -ENODEV;
	}
	identify = rdu->identify;
	*info = (struct rdu_ioc_info){
		.uapi_version = RDU_UAPI_VERSION,
		.interface_version = rdu->interface_version,
		.max_entries = rdu->max_entries,
		.index = rdu->index,
		.serial = rdu->serial,
		.time_ns = rdu->state == RDU_STATE_UP ? rdu_read64(rdu, RDU_HOSTIF_TIMESTAMP) : 0,
		.resets = atomic64_read(&rdu->counters.resets),
		.identify_bytes = sizeof(identify),
		.identify = info->identify,
	};
	up_read(&rdu->hw);
	if (to && copy_to_user(to, &identify, min_t(u32, room, sizeof(identify))))
		return -EFAULT;
	return 0;
}

static int rdu_ioctl_context(struct rdu_file *file, void *data)
{
	struct rdu_ioc_context *args = data;

	return args->reserved || args->context ? -EINVAL : rdu_context_create(file, args);
}

static int rdu_ioctl_memory(struct rdu_file *file, void *data)
{
	return rdu_memory_create(file, data);
}

static int rdu_ioctl_memory_free(struct rdu_file *file, void *data)
{
	struct rdu_ioc_handle *args = data;

	return args->reserved ? -EINVAL : rdu_memory_free(file, args->handle);
}

static int rdu_ioctl_queue(struct rdu_file *file, void *data)
{
	return rdu_queue_create(file, data);
}

static int rdu_ioctl_queue_free(struct rdu_file *file, void *data)
{
	struct rdu_ioc_handle *args = data;

	return args->reserved ? -EINVAL : rdu_queue_free(file, args->handle);
}

static int rdu_ioctl_submit(struct rdu_file *file, void *data)
{
	return rdu_queue_submit(file, data);
}

static int rdu_ioctl_completions(struct rdu_file *file, void *data)
{
	return rdu_queue_completions(file, data);
}

static int rdu_ioctl_admin_check(const struct rdu_ioc_admin *args, struct rdu_command *command)
{
	bool admin = capable(CAP_SYS_ADMIN);

	if (args->reserved || args->bytes > RDU_DATA_BYTES || !!args->bytes != !!args->data)
		return -EINVAL;
	command->bytes = args->bytes;
	switch (args->opcode) {
	case RDU_ADMIN_READ_LOG:
		command->address = 1;
		command->sqe.arg[2] = args->bytes;
		return 0;
	case RDU_ADMIN_FW_WRITE:
		command->address = 2;
		command->sqe.arg[3] = args->bytes;
		return !admin ? -EPERM : args->bytes ? 0 : -EINVAL;
	case RDU_ADMIN_SET_THRESHOLD:
	case RDU_ADMIN_INJECT:
	case RDU_ADMIN_FW_ACTIVATE:
		return !admin ? -EPERM : args->bytes ? -EINVAL : 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int rdu_ioctl_admin(struct rdu_file *file, void *data)
{
	struct rdu_device *rdu = file->rdu;
	struct rdu_ioc_admin *args = data;
	void __user *user = u64_to_user_ptr(args->data);
	struct rdu_command command = {.sqe = {.opcode = args->opcode}};
	bool reads = args->opcode == RDU_ADMIN_READ_LOG;
	void *buffer = NULL;
	u64 got;
	int err;

	memcpy(command.sqe.arg, args->arg, sizeof(command.sqe.arg));
	err = rdu_ioctl_admin_check(args, &command);
	if (err)
		return err;
	if (args->bytes) {
		buffer =
			reads ? kvzalloc(args->bytes, GFP_KERNEL) : vmemdup_user(user, args->bytes);
		if (IS_ERR(buffer))
			return PTR_ERR(buffer);
		if (!buffer)
			return -ENOMEM;
	}
	command.data = reads ? NULL : buffer;
	command.reply = reads ? buffer : NULL;

	if (down_read_interruptible(&rdu->hw)) {
		err = -ERESTARTSYS;
		goto out;
	}
	err = rdu->state == RDU_STATE_GONE ? -ENODEV : rdu->state != RDU_STATE_UP ? -EIO : 0;
	if (!err)
		err = rdu_admin_execute(rdu, &command);
	up_read(&rdu->hw);
	if (err)
		goto out;
	args->status = command.status;
	args->result = command.result;
	if (reads && command.status == RDU_STATUS_OK && command.result > args->arg[3]) {
		got = min_t(u64, args->bytes, command.result - args->arg[3]);
		if (copy_to_user(user, buffer, got))
			err = -EFAULT;
	}
out:
	kvfree(buffer);
	return err;
}

static int rdu_ioctl_reset(struct rdu_file *file, void *data)
{
	return capable(CAP_SYS_ADMIN) ? rdu_reset(file->rdu, "a program has asked for it") : -EPERM;
}

struct rdu_call {
	unsigned int command;
	int (*serve)(struct rdu_file *file, void *data);
};

static const struct rdu_call rdu_calls[] = {
	{RDU_IOC_INFO, rdu_ioctl_info},	    {RDU_IOC_CONTEXT, rdu_ioctl_context},
	{RDU_IOC_MEMORY, rdu_ioctl_memory}, {RDU_IOC_MEMORY_FREE, rdu_ioctl_memory_free},
	{RDU_IOC_QUEUE, rdu_ioctl_queue},   {RDU_IOC_QUEUE_FREE, rdu_ioctl_queue_free},
	{RDU_IOC_SUBMIT, rdu_ioctl_submit}, {RDU_IOC_COMPLETIONS, rdu_ioctl_completions},
	{RDU_IOC_ADMIN, rdu_ioctl_admin},   {RDU_IOC_RESET, rdu_ioctl_reset},
};

/* If the answer cannot be delivered, what was made is taken back: its handle is not known to
 * anybody. */
static void rdu_ioctl_undo(struct rdu_file *file, unsigned int command, void *data)
{
	if (command == RDU_IOC_MEMORY)
		rdu_memory_free(file, ((struct rdu_ioc_memory *)data)->handle);
	else if (command == RDU_IOC_QUEUE)
		rdu_queue_free(file, ((struct rdu_ioc_queue *)data)->handle);
}

static long rdu_ioctl(struct file *filp, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	u64 data[(sizeof(struct rdu_ioc_admin) + 7) / 8];
	unsigned int bytes = _IOC_SIZE(command), number = _IOC_NR(command) - _IOC_NR(RDU_IOC_INFO);
	struct rdu_file *file = filp->private_data;
	int err;

	BUILD_BUG_ON(sizeof(data) < sizeof(struct rdu_ioc_memory));
	BUILD_BUG_ON(sizeof(data) < sizeof(struct rdu_ioc_info));
	if (number >= ARRAY_SIZE(rdu_calls) || rdu_calls[number].command != command)
		return -ENOTTY;
	if (copy_from_user(data, user, bytes))
		return -EFAULT;
	err = rdu_calls[number].serve(file, data);
	if (!err && _IOC_DIR(command) & _IOC_READ && copy_to_user(user, data, bytes)) {
		rdu_ioctl_undo(file, command, data);
		err = -EFAULT;
	}
	return err;
}

const struct file_operations rdu_fops = {
	.owner = THIS_MODULE,
	.open = rdu_open,
	.release = rdu_release,
	.poll = rdu_poll,
	.mmap = rdu_mmap,
	.unlocked_ioctl = rdu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
