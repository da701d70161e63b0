create database first;
