// SPDX-License-Identifier: GPL-2.0
/* The module, and the PCI driver: from probe to removal. */

#include <linux/aer.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "rdu.h"

/* As models/pcie/config_space.h. */
#define RDU_PCI_VENDOR 0x1234
#define RDU_PCI_DEVICE 0x40a1

#define RDU_MINORS   64
#define RDU_DMA_BITS 44 /* of a bus address: platform/address_map.yaml, HOST */

unsigned int rdu_firmware_timeout = 30;
module_param_named(firmware_timeout, rdu_firmware_timeout, uint, 0644);
MODULE_PARM_DESC(firmware_timeout, "seconds that the firmware may take to boot, or to answer, "
				   "before it is reset (default 30)");

unsigned int rdu_command_timeout = 60;
module_param_named(command_timeout, rdu_command_timeout, uint, 0644);
MODULE_PARM_DESC(command_timeout, "seconds that a command may take before its context is taken "
				  "away; 0: for ever (default 60)");

struct workqueue_struct *rdu_wq;

static dev_t rdu_devt;
static DEFINE_IDA(rdu_indices);

static char *rdu_devnode(
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	const
#endif
	struct device *dev,
	umode_t *mode)
{
	/* Contexts protect users from each other, and what concerns all of them asks for a
	 * capability. */
	if (mode)
		*mode = 0666;
	return NULL;
}

static struct class rdu_class = {
	.name = "rdu",
	.devnode = rdu_devnode,
	.dev_groups = rdu_groups,
};

static void rdu_device_release(struct device *dev)
{
	struct rdu_device *rdu = container_of(dev, struct rdu_device, dev);

	ida_free(&rdu_indices, rdu->index);
	kfree(rdu);
}

static struct rdu_device *rdu_device_make(struct pci_dev *pdev)
{
	struct rdu_device *rdu = kzalloc(sizeof(*rdu), GFP_KERNEL);
	int index;

	if (!rdu)
		return ERR_PTR(-ENOMEM);
	index = ida_alloc_max(&rdu_indices, RDU_MINORS - 1, GFP_KERNEL);
	if (index < 0) {
		kfree(rdu);
		return ERR_PTR(index);
	}
	rdu->index = index;
	rdu->pdev = pdev;
	rdu->state = RDU_STATE_DOWN;
	init_rwsem(&rdu->hw);
	spin_lock_init(&rdu->queue_lock);
	mutex_init(&rdu->files_lock);
	mutex_init(&rdu->window_lock);
	mutex_init(&rdu->update_lock);
	INIT_LIST_HEAD(&rdu->files);
	rdu_reset_init(rdu);

	device_initialize(&rdu->dev);
	rdu->dev.class = &rdu_class;
	rdu->dev.parent = &pdev->dev;
	rdu->dev.devt = MKDEV(MAJOR(rdu_devt), index);
	rdu->dev.release = rdu_device_release;
	dev_set_drvdata(&rdu->dev, rdu);
	if (dev_set_name(&rdu->dev, "rdu%d", index)) {
		put_device(&rdu->dev);
		return ERR_PTR(-ENOMEM);
	}
	cdev_init(&rdu->cdev, &rdu_fops);
	rdu->cdev.owner = THIS_MODULE;
	return rdu;
}

/* --- the PCI function --- */

static int rdu_pci_enable(struct rdu_device *rdu)
{
	struct pci_dev *pdev = rdu->pdev;
	int err;

	err = pci_enable_device_mem(pdev);
	if (err)
		return dev_err_probe(&pdev->dev, err, "memory space cannot be enabled\n");
	err = pci_request_regions(pdev, "rdu");
	if (err) {
		dev_err_probe(&pdev->dev, err, "its BARs are in use\n");
		goto disable;
	}
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(RDU_DMA_BITS));
	if (err) {
		dev_err_probe(&pdev->dev, err, "no DMA with %d address bits\n", RDU_DMA_BITS);
		goto release;
	}
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	if (pci_resource_len(pdev, 0) < RDU_HOSTIF_BLOCK_SIZE) {
		err = dev_err_probe(&pdev->dev, -ENODEV,
				    "BAR0 has %#llx bytes, an RDU has at least %#x\n",
				    (u64)pci_resource_len(pdev, 0), RDU_HOSTIF_BLOCK_SIZE);
		goto release;
	}
	rdu->regs = pci_iomap(pdev, 0, RDU_HOSTIF_BLOCK_SIZE);
	if (!rdu->regs) {
		err = -ENOMEM;
		goto release;
	}
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	pci_enable_pcie_error_reporting(pdev); /* if it has any */
#endif
	return 0;
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return err;
}

static void rdu_pci_disable(struct rdu_device *rdu)
{
	pci_iounmap(rdu->pdev, rdu->regs);
	pci_clear_master(rdu->pdev);
	pci_release_regions(rdu->pdev);
	pci_disable_device(rdu->pdev);
}

static int rdu_start(struct rdu_device *rdu)
{
	int err;

	down_write(&rdu->hw);
	err = rdu_hw_start(rdu);
	up_write(&rdu->hw);
	return err;
}

/* Nobody waits for the device any longer; whoever has it open gets -ENODEV. */
static void rdu_stop(struct rdu_device *rdu)
{
	WRITE_ONCE(rdu->abandon, true);
	wake_up_all(&rdu->admin.wait);
	down_write(&rdu->hw);
	rdu_hw_stop(rdu, pci_device_is_present(rdu->pdev), -ENODEV);
	up_write(&rdu->hw);
	rdu_reset_cancel(rdu);
}

static int rdu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct rdu_device *rdu = rdu_device_make(pdev);
	int err;

	if (IS_ERR(rdu))
		return PTR_ERR(rdu);
	pci_set_drvdata(pdev, rdu);
	err = rdu_pci_enable(rdu);
	if (err)
		goto put;
	err = rdu_hw_check(rdu);
	if (err)
		goto disable;
	err = rdu_admin_init(rdu);
	if (err)
		goto disable;
	err = rdu_irq_init(rdu);
	if (err)
		goto free_admin;
	pci_save_state(pdev); /* for the recovery from errors */
	err = rdu_start(rdu);
	if (err)
		goto free_irq;
	err = rdu_hwmon_init(rdu);
	if (err)
		goto stop;
	err = cdev_device_add(&rdu->cdev, &rdu->dev);
	if (err)
		goto free_hwmon;
	rdu_debugfs_init(rdu);
	dev_info(&rdu->dev, "%s, %s, serial %llu\n", rdu->identify.model, rdu->identify.firmware,
		 rdu->serial);
	return 0;

free_hwmon:
	rdu_hwmon_free(rdu);
stop:
	rdu_stop(rdu);
free_irq:
	rdu_irq_free(rdu);
free_admin:
	rdu_admin_free(rdu);
disable:
	rdu_pci_disable(rdu);
put:
	put_device(&rdu->dev);
	return err;
}

static void rdu_remove(struct pci_dev *pdev)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);

	/* First, so that who waits in sysfs or in a call lets go. */
	WRITE_ONCE(rdu->abandon, true);
	wake_up_all(&rdu->admin.wait);
	rdu_debugfs_free(rdu);
	cdev_device_del(&rdu->cdev, &rdu->dev);
	rdu_hwmon_free(rdu);
	rdu_stop(rdu);
	rdu_irq_free(rdu);
	rdu_admin_free(rdu);
	rdu_pci_disable(rdu);
	put_device(&rdu->dev); /* files that are open still have it */
}

static void rdu_shutdown(struct pci_dev *pdev)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);

	down_write(&rdu->hw);
	rdu_hw_shutdown(rdu);
	up_write(&rdu->hw);
	rdu_stop(rdu);
	pci_clear_master(pdev);
}

static const struct pci_device_id rdu_ids[] = {{PCI_DEVICE(RDU_PCI_VENDOR, RDU_PCI_DEVICE)}, {}};
MODULE_DEVICE_TABLE(pci, rdu_ids);

static struct pci_driver rdu_driver = {
	.name = "rdu",
	.id_table = rdu_ids,
	.probe = rdu_probe,
	.remove = rdu_remove,
	.shutdown = rdu_shutdown,
	.err_handler = &rdu_error_handlers,
	.driver.pm = pm_sleep_ptr(&rdu_pm_ops),
};

/* --- the module --- */

static int __init rdu_init(void)
{
	int err;

	err = iova_cache_get();
	if (err)
		return err;
	rdu_wq = alloc_workqueue("rdu", WQ_UNBOUND, 0);
	if (!rdu_wq) {
		err = -ENOMEM;
		goto put_iova;
	}
	err = alloc_chrdev_region(&rdu_devt, 0, RDU_MINORS, "rdu");
	if (err)
		goto destroy_wq;
	err = class_register(&rdu_class);
	if (err)
		goto free_region;
	rdu_debugfs_root(true);
	err = pci_register_driver(&rdu_driver);
	if (err)
		goto free_class;
	return 0;

free_class:
	rdu_debugfs_root(false);
	class_unregister(&rdu_class);
free_region:
	unregister_chrdev_region(rdu_devt, RDU_MINORS);
destroy_wq:
	destroy_workqueue(rdu_wq);
put_iova:
	iova_cache_put();
	return err;
}

static void __exit rdu_exit(void)
{
	pci_unregister_driver(&rdu_driver);
	rdu_debugfs_root(false);
	class_unregister(&rdu_class);
	unregister_chrdev_region(rdu_devt, RDU_MINORS);
	destroy_workqueue(rdu_wq);
	iova_cache_put();
	ida_destroy(&rdu_indices);
}

module_init(rdu_init);
module_exit(rdu_exit);

MODULE_DESCRIPTION("RDU dataflow accelerator");
MODULE_LICENSE("GPL");
